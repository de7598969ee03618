import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import type { Config } from '#coordinator';
import { keepRunning, startRestartable } from '#provider';
import { type IngressWorkerOrder, WORKER_LISTENS } from './worker-order.ts';

const PROGRAM = fileURLToPath(new URL('./worker-program.ts', import.meta.url));
/** Time in which a worker starts to serve, in milliseconds. */
const START_MS = 60_000;
/** Time that a worker has to close its connections after it was drained, in milliseconds. */
const CLOSE_MS = 15_000;
/** Pauses before each new start of a worker, in milliseconds; the last one is repeated. */
const PAUSES_MS = [100, 500, 2_000, 5_000, 10_000] as const;

export interface IngressWorkersOptions {
  /** The configuration of all workers. The ports of the API must be known, so not 0. */
  readonly config: Config;
  /** All workers of the machine, of which this function starts those from `first` on. */
  readonly count: number;
  readonly first: number;
  /** Folder in which the workers reach one another; see `makeWorkersFolder`. */
  readonly folder: string;
  /** Distance of a worker's ports for Prometheus and operators from the configured ones. */
  readonly portOffset: (index: number) => number;
  readonly log: Logger;
}

/** Creates the folder for the sockets of workers. Only this user can enter it. */
export async function makeWorkersFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'dinf-workers-'));
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}

/**
 * Starts ingresses that listen on the same ports of the API, each in a process of its own. One that
 * ends is started again. Disposing drains them all at the same time.
 */
export async function startIngressWorkers({
  config,
  count,
  first,
  folder,
  portOffset,
  log,
}: IngressWorkersOptions): Promise<AsyncDisposable> {
  const orderOf = (index: number): IngressWorkerOrder => ({
    config: {
      ...config,
      ...portsAt(config, portOffset(index)),
      sharesPorts: true,
      worker: { index, count, folder },
    },
  });
  const { drainNoticeMs, drainMs } = config;
  await using started = new AsyncDisposableStack();
  const workers: AsyncDisposable[] = [];
  started.defer(async () => {
    await Promise.all(workers.map((worker) => worker[Symbol.asyncDispose]()));
  });
  const start = async (index: number): Promise<void> => {
    const name = `ingress ${index}`;
    const child = await startRestartable({
      name,
      command: process.execPath,
      args: [PROGRAM],
      firstMessage: orderOf(index),
      isReady: (line) => line === WORKER_LISTENS,
      readyTimeoutMs: START_MS,
      stopTimeoutMs: drainNoticeMs + drainMs + CLOSE_MS,
      // The workers of a parent that was killed answer what they have begun.
      deathSignal: 'SIGTERM',
      onLine: (line) => void (line === WORKER_LISTENS || process.stderr.write(`${line}\n`)),
    });
    workers.push(child);
    started.use(keepRunning({ name, child, log, pausesMs: PAUSES_MS }));
  };
  const indices = Array.from({ length: count - first }, (_, offset) => first + offset);
  // What is wrong with the configuration is told once, by the first one.
  for (const group of [indices.slice(0, 1), indices.slice(1)]) await Promise.all(group.map(start));
  return started.move();
}

/** A port of 0 stays: then every worker gets a free one. */
function portsAt({ metrics, admin }: Config, offset: number): Pick<Config, 'metrics' | 'admin'> {
  const moved = <Address extends { readonly port: number }>(address: Address): Address =>
    address.port === 0 ? address : { ...address, port: address.port + offset };
  return { metrics: metrics && moved(metrics), admin: admin && moved(admin) };
}
