import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Logger } from 'pino';
import { connectToServer } from '#bus-schemas';
import { type LeafLink, readLinks } from './leaf-links.ts';
import { judgeLink, type LinkHealth } from './link-health.ts';
import type { NatsServer } from './nats-server.ts';

/** Time without a link after which the leaf is started again, in milliseconds. */
export const WITHOUT_LINK_MS = 30_000;
const CHECKS_IN_LIMIT = 6;
const ANSWER_MS = 2_000;
const RECONNECT_MS = 100;
/** Port for leaves if an address has none, as nats-server defines it. */
const DEFAULT_HUB_PORT = 7422;

export interface LinkWatchOptions {
  readonly server: NatsServer;
  /** User of the leaf's system account, which may ask for the links. */
  readonly user: string;
  readonly password: string;
  /** Returns the addresses of the hubs, which change while the leaf runs. */
  readonly hubs: () => readonly string[];
  readonly limitMs: number;
  readonly log: Pick<Logger, 'warn' | 'info'>;
}

/**
 * Asks the leaf regularly whether it has a link to a hub, and ends its process if `judgeLink`
 * decides so. The supervision of the process then starts it again.
 */
export class LinkWatch implements AsyncDisposable {
  readonly #options: LinkWatchOptions;
  readonly #connection: NatsConnection;
  readonly #timer: NodeJS.Timeout;
  #health: LinkHealth;
  #checking: Promise<void> = Promise.resolve();
  #isChecking = false;

  private constructor(options: LinkWatchOptions, connection: NatsConnection) {
    this.#options = options;
    this.#connection = connection;
    this.#health = { fault: undefined, since: performance.now(), restarts: 0 };
    this.#timer = setInterval(() => this.#checkAgain(), options.limitMs / CHECKS_IN_LIMIT);
  }

  static async start(options: LinkWatchOptions): Promise<LinkWatch> {
    const { server, user, password: pass } = options;
    const connection = await connectToServer({
      servers: server.clientUrl,
      user,
      pass,
      name: 'link watch',
      waitOnFirstConnect: true,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_MS,
    });
    return new LinkWatch(options, connection);
  }

  get health(): LinkHealth {
    return this.#health;
  }

  /** The present links of the leaf; none if it does not answer. */
  links(): Promise<LeafLink[]> {
    return readLinks(this.#connection).catch(() => []);
  }

  /** Starts a check, unless the last one has not ended. */
  #checkAgain(): void {
    if (this.#isChecking) return;
    this.#isChecking = true;
    this.#checking = this.#check().finally(() => {
      this.#isChecking = false;
    });
  }

  async #check(): Promise<void> {
    const { server, limitMs, log } = this.#options;
    const links = await this.#countLinks();
    const isHubReachable = links !== 0 || (await this.#isHubReachable());
    const before = this.#health;
    const now = performance.now();
    const { health, mustRestart } = judgeLink(before, { links, isHubReachable }, { now, limitMs });
    this.#health = health;
    const { fault, restarts } = health;
    if (fault === undefined && before.fault !== undefined)
      log.info('the leaf has a link to a hub again');
    else if (mustRestart) {
      log.warn(
        { because: fault, restarts },
        fault === 'leaf_silent'
          ? 'the leaf does not answer; it is started again'
          : 'the leaf has no link to a hub, although a hub accepts connections; it is started again',
      );
      await server.kill();
    } else if (fault !== before.fault)
      log.warn({ because: fault }, 'the leaf has no link to a hub');
  }

  /** Number of links that the leaf reports; undefined if it does not answer. */
  async #countLinks(): Promise<number | undefined> {
    try {
      const answer = await this.#connection.request('$SYS.REQ.SERVER.PING.VARZ', '', {
        timeout: ANSWER_MS,
      });
      return answer.json<{ data?: { leafnodes?: number } }>().data?.leafnodes ?? 0;
    } catch {
      // The leaf hangs, or it is being started again. `judgeLink` decides which by the time.
      return undefined;
    }
  }

  async #isHubReachable(): Promise<boolean> {
    const reached = await Promise.all(this.#options.hubs().map(acceptsConnections));
    return reached.includes(true);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#connection.close();
    await this.#checking;
  }
}

async function acceptsConnections(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  const socket = connectTcp({ host, port: Number(port) || DEFAULT_HUB_PORT });
  // The hub may also end the connection after it has accepted it.
  socket.on('error', () => undefined);
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(ANSWER_MS) });
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
