import { createWriteStream, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'pg';
import type { Logger } from 'pino';
import { type ComponentName, services } from '#bus-schemas';
import { careForHub } from '#cli/up/hub-care.ts';
import { DINF, operatorSettings } from '#e2e/dinf-program.ts';
import {
  freePort,
  type Network,
  type PostgresServer,
  startLocalPostgres,
  startNetwork,
} from '#network';
import { type NatsServer, startRestartable } from '#provider';
import { simulatedAliases, simulatedModels } from '#simulator';
import { type FaultyDisk, mountFaultyDisk } from './faulty-disk.ts';
import { Links } from './links.ts';
import { Part, postgresPid, signalTo } from './part.ts';

export const HUB = 'the hub';
export const POSTGRES = 'Postgres';
/** Longest time of a job, in milliseconds. */
export const JOB_MS = 60_000;
/** Time after which a receipt settles a job of which no ingress reported the end, in milliseconds. */
export const RECEIPT_GRACE_MS = 20_000;

const COMPONENTS: readonly [name: string, component: ComponentName][] = [
  ['accounts', 'accounts'],
  ['catalog', 'catalog'],
  ['settlement', 'settlement'],
  ['telemetry', 'telemetry'],
  ['trust', 'trust'],
  ['routing', 'routing'],
  ['ingress-1', 'ingress'],
  ['ingress-2', 'ingress'],
];
const FLEETS = ['machines-1', 'machines-2'];
const MACHINES_OF_A_FLEET = 2;
/** Enough for nine processes of the coordinator (docs/operating/capacity-planning.md). */
const MANY_CONNECTIONS = { max_connections: '100' };
const TOKEN_MS = 20;
const READY_MS = 60_000;
const KNOWN_MS = 60_000;
const CALL = { timeoutMs: 10_000 };
const CREDIT_MICRO_USD = 1_000_000_000_000;

export interface ChaosNetworkOptions {
  readonly log: Logger;
  /** The hub and Postgres each get a disk that can fail. */
  readonly withDisks: boolean;
  /** Called with a sentence for each process that ended and was started again. */
  readonly onRestart: (sentence: string) => void;
}

/**
 * A network of the shape of `dinf up` in which every part is a process of its own: hub, Postgres,
 * seven components with two ingresses, and two processes with two simulated machines each. One
 * further ingress runs in this process; operators' calls go through it.
 */
export interface ChaosNetwork extends AsyncDisposable {
  readonly network: Network;
  readonly parts: ReadonlyMap<string, Part>;
  readonly components: readonly string[];
  readonly fleets: readonly string[];
  readonly links: Links;
  readonly disks: ReadonlyMap<string, FaultyDisk>;
  /** The file with the shift of the clock of a component, in milliseconds. */
  clockFile(component: string): string;
  /** The ingresses by name, with their address. */
  readonly ingresses: ReadonlyMap<string, string>;
  readonly apiKey: string;
  readonly database: Pool;
  /** The folder with a log file for each process. */
  readonly logs: string;
}

export async function startChaosNetwork(options: ChaosNetworkOptions): Promise<ChaosNetwork> {
  const { log, withDisks, onRestart } = options;
  await using stack = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'dinf-chaos-'));
  stack.defer(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
  const [home, logs] = [join(folder, 'home'), join(folder, 'logs')];
  for (const made of [home, join(home, 'hub'), logs]) mkdirSync(made, { mode: 0o700 });
  const disks = new Map<string, FaultyDisk>();
  if (withDisks)
    for (const [name, place] of [
      [HUB, join(home, 'hub', 'jetstream')],
      [POSTGRES, join(home, 'postgres')],
    ] as const) {
      const disk = stack.use(mountFaultyDisk());
      symlinkSync(disk.folder, place);
      disks.set(name, disk);
    }
  const hubPorts = { client: await freePort(), leaf: await freePort() };
  const network = stack.use(
    await startNetwork({
      home,
      log,
      hubPorts,
      components: ['ingress'],
      startPostgres: (own) => startLocalPostgres({ ...own, settings: MANY_CONNECTIONS }),
      config: {
        http: { host: '127.0.0.1', port: 0 },
        jobTimeoutMs: JOB_MS,
        receiptGraceMs: RECEIPT_GRACE_MS,
      },
    }),
  );
  const links = stack.use(new Links());
  const parts = new Map<string, Part>();
  const own = { network, folder, logs, links, parts, hubPorts, onRestart, stack };
  superviseServers(own);
  stack.use(careForHub({ network, log }));
  const ingresses = new Map([['ingress-0', network.url]]);
  await Promise.all(
    COMPONENTS.map(async ([name, component]) => {
      const url = await startComponent(own, name, component);
      if (component === 'ingress') ingresses.set(name, url);
    }),
  );
  await network.putModels(simulatedModels, simulatedAliases);
  await Promise.all(FLEETS.map((name) => startMachines(own, name)));
  await allKnown(network);
  const { apiKey } = await network.createKey({ name: 'chaos', creditMicroUsd: CREDIT_MICRO_USD });
  const database = new Pool({ connectionString: network.databaseUrl, max: 2 });
  database.on('error', () => undefined);
  stack.defer(() => database.end());
  const owned = stack.move();
  return {
    network,
    parts,
    components: COMPONENTS.map(([name]) => name),
    fleets: FLEETS,
    links,
    disks,
    clockFile: (component) => clockFile(folder, component),
    ingresses,
    apiKey,
    database,
    logs,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const clockFile = (folder: string, name: string): string => join(folder, `${name}.clock`);

interface Own {
  readonly network: Network;
  readonly folder: string;
  readonly logs: string;
  readonly links: Links;
  readonly parts: Map<string, Part>;
  readonly hubPorts: { readonly client: number; readonly leaf: number };
  readonly onRestart: (sentence: string) => void;
  readonly stack: AsyncDisposableStack;
}

/** Has the hub and Postgres started again when they end, as `dinf up` does. */
function superviseServers({ network, parts, stack, onRestart }: Own): void {
  const hub = network.hub as NatsServer;
  const postgres = network.postgres as PostgresServer;
  const servers = [
    { name: HUB, child: hub, pid: () => hub.pid },
    { name: POSTGRES, child: postgres, pid: () => postgresPid(postgres.cluster) },
  ];
  for (const server of servers)
    parts.set(server.name, stack.use(new Part({ ...server, onRestart })));
}

interface Started {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly isReady: (line: string) => boolean;
}

async function startPart(own: Own, { name, args, env, isReady }: Started): Promise<void> {
  const written = createWriteStream(join(own.logs, `${name}.log`));
  own.stack.defer(() => void written.end());
  const child = await startRestartable({
    name,
    command: process.execPath,
    args: [DINF, ...args],
    env: { ...process.env, DINF_LOG: 'info', npm_lifecycle_event: undefined, ...env },
    isReady,
    readyTimeoutMs: READY_MS,
    onLine: (line) => void written.write(`${line}\n`),
  });
  // The run is judged before its end, so nothing needs an orderly stop.
  own.stack.defer(() => {
    signalTo([child.pid], 'SIGKILL');
    return child.exited.then(() => undefined);
  });
  const part = new Part({ name, child, pid: () => child.pid, onRestart: own.onRestart });
  own.parts.set(name, own.stack.use(part));
}

/** Starts a component, whose connections go through links. Returns its address if it is an ingress. */
async function startComponent(own: Own, name: string, component: ComponentName): Promise<string> {
  const { network, links, hubPorts, folder } = own;
  const database = new URL(network.databaseUrl);
  const hubPort = await links.open(name, HUB, hubPorts.client);
  database.port = String(await links.open(name, POSTGRES, Number(database.port)));
  const port = await freePort();
  const clock = new URL('../../../testcontainers/shifted-clock.ts', import.meta.url);
  await startPart(own, {
    name,
    args: ['coordinator', '--components', component],
    env: {
      ...operatorSettings(network),
      DINF_NATS_URL: `nats://127.0.0.1:${hubPort}`,
      DATABASE_URL: database.href,
      DINF_HTTP_PORT: String(port),
      DINF_DRAIN_NOTICE_MS: '0',
      DINF_DRAIN_MS: '2000',
      DINF_JOB_TIMEOUT_MS: String(JOB_MS),
      DINF_RECEIPT_GRACE_MS: String(RECEIPT_GRACE_MS),
      DINF_ACCOUNT_RPM: '0',
      DINF_ACCOUNT_ITPM: '0',
      DINF_ACCOUNT_OTPM: '0',
      NODE_OPTIONS: `--import=${clock.href}`,
      SHIFTED_CLOCK: clockFile(folder, name),
    },
    isReady: (line) => line.includes('the coordinator runs'),
  });
  return `http://127.0.0.1:${port}`;
}

/** Starts simulated machines, each with a leaf of its own. */
async function startMachines(own: Own, name: string): Promise<void> {
  const { network, links, hubPorts, folder } = own;
  const leafPort = await links.open(name, HUB, hubPorts.leaf);
  const tokens = await Promise.all(
    Array.from({ length: MACHINES_OF_A_FLEET }, () => network.enrolToken()),
  );
  const args = ['--providers', String(MACHINES_OF_A_FLEET), '--chip', 'm3-ultra', '--endless'];
  await startPart(own, {
    name,
    args: ['simulate', ...args, '--token-ms', String(TOKEN_MS), '--coordinator', network.url],
    env: {
      DINF_HOME: join(folder, name),
      DINF_LEAF_URL: `nats-leaf://127.0.0.1:${leafPort}`,
      DINF_ENROL_TOKENS: tokens.join(','),
    },
    isReady: (line) => line.includes('simulated providers are ready'),
  });
}

async function allKnown({ coordinator: { bus } }: Network): Promise<void> {
  const wanted = FLEETS.length * MACHINES_OF_A_FLEET;
  for (const giveUpAt = performance.now() + KNOWN_MS; ; await delay(100)) {
    const { providers } = await bus.call(services.routing.fleet, {}, CALL);
    if (new Set(providers.map(({ provider }) => provider)).size >= wanted) return;
    if (performance.now() > giveUpAt) throw new Error('not every machine has joined the network');
  }
}
