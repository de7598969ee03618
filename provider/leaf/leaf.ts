import { randomBytes } from 'node:crypto';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Logger } from 'pino';
import { connectToServer } from '#bus-schemas';
import type { Enrolment } from '../identity.ts';
import { keepRunning } from '../keep-running.ts';
import { leafConfig } from './leaf-config.ts';
import type { LeafLink } from './leaf-links.ts';
import type { LinkHealth } from './link-health.ts';
import { LinkWatch, WITHOUT_LINK_MS } from './link-watch.ts';
import { type NatsServer, startNatsServer } from './nats-server.ts';

/**
 * With one thread for Go code, the server wakes no second thread for each message. One is enough for
 * the messages of one machine.
 */
const GO_THREADS = '1';

export interface LeafOptions {
  readonly binary: string;
  readonly home: string;
  /** One provider, or a fleet that shares this leaf. */
  readonly enrolments: readonly Enrolment[];
  readonly log: Logger;
  /** Time without a link after which the leaf is started again, in milliseconds. */
  readonly withoutLinkMs?: number;
}

/** The NATS server of this machine. It is the only program here that connects to the hub. */
export interface Leaf extends AsyncDisposable {
  readonly server: NatsServer;
  /** Whether the leaf has a link to a hub, and if not, since when and why. */
  readonly link: LinkHealth;
  /** The present links to hubs: one for each enrolment that is connected. */
  links(): Promise<LeafLink[]>;
  /** Connects to the leaf in the account of one enrolment. */
  connect(enrolment: Enrolment): Promise<NatsConnection>;
  /**
   * Has the leaf read its configuration and its files again. Its links end and begin again only if
   * the addresses of the hubs have changed; connections of agents stay.
   */
  reload(hubs?: Hubs): Promise<void>;
  /** Ends the server with SIGKILL; it is not started again. */
  kill(): Promise<void>;
}

/** The addresses of the hubs, and the file with the certificates of their authorities. */
type Hubs = Pick<Enrolment, 'leafUrls' | 'hubCaFile'>;

const WATCHER = 'link-watch';
const RECONNECT_MS = 100;
const PASSWORD_BYTES = 24;

export async function startLeaf({
  binary,
  home,
  enrolments,
  log,
  withoutLinkMs = WITHOUT_LINK_MS,
}: LeafOptions): Promise<Leaf> {
  const remotes = enrolments.map(({ provider, credentialsFile }) => ({
    user: provider,
    password: newPassword(),
    credentialsFile,
  }));
  const watcher = { user: WATCHER, password: newPassword() };
  let hubs = [...new Set(enrolments.flatMap(({ leafUrls }) => leafUrls))];
  let [caFile] = enrolments.flatMap(({ hubCaFile }) => hubCaFile ?? []);
  await using stack = new AsyncDisposableStack();
  const server = stack.use(
    await startNatsServer({
      binary,
      home,
      name: 'leaf',
      env: { GOMAXPROCS: GO_THREADS },
      config: (place) => leafConfig(place, { hubs, remotes, watcher, ...(caFile && { caFile }) }),
    }),
  );
  const watches = stack.use(new AsyncDisposableStack());
  // The leaf is started again however often it fails, because no operator sits at the machine. The
  // agents reconnect by themselves.
  watches.use(keepRunning({ name: 'the leaf node', child: server, log }));
  const watch = watches.use(
    await LinkWatch.start({
      ...watcher,
      server,
      hubs: () => hubs,
      limitMs: withoutLinkMs,
      log,
    }),
  );
  const owned = stack.move();
  return {
    server,
    get link() {
      return watch.health;
    },
    links: () => watch.links(),
    connect: ({ provider }) => {
      const remote = remotes.find(({ user }) => user === provider);
      return connectToServer({
        servers: server.clientUrl,
        ...(remote && { user: remote.user, pass: remote.password }),
        name: 'agent',
        maxReconnectAttempts: -1,
        reconnectTimeWait: RECONNECT_MS,
        reconnectJitter: RECONNECT_MS,
      });
    },
    reload: async (changed) => {
      if (changed !== undefined) {
        hubs = [...changed.leafUrls];
        caFile = changed.hubCaFile;
      }
      await server.reload();
    },
    kill: async () => {
      await watches.disposeAsync();
      await server.kill();
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const newPassword = () => randomBytes(PASSWORD_BYTES).toString('base64url');
