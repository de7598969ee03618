import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import type { Config } from '#coordinator';
import { keepRunning, LaunchError, type Restartable, startSupervised } from '#provider';
import { type IngressWorkerOrder, WORKER_LISTENS, WORKER_STARTED } from './worker-order.ts';

const PROGRAM = fileURLToPath(new URL('./worker-program.ts', import.meta.url));
/** Time in which the process of a worker starts to run, and then to serve, in milliseconds. */
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
  const indices = Array.from({ length: count - first }, (_, offset) => first + offset);
  await using started = new AsyncDisposableStack();
  const workers: IngressWorker[] = [];
  started.defer(async () => void (await Promise.all(workers.map((worker) => worker.stop()))));
  // What is wrong with the configuration is said once, by the first one.
  for (const group of [indices.slice(0, 1), indices.slice(1)])
    await Promise.all(
      group.map(async (index) => {
        const worker = new IngressWorker(index, orderOf(index));
        workers.push(worker);
        await worker.restart();
        const name = `ingress ${index}`;
        started.use(keepRunning({ name, child: worker, log, pausesMs: PAUSES_MS }));
      }),
    );
  return started.move();
}

/** A port of 0 stays: then every worker gets a free one. */
function portsAt({ metrics, admin }: Config, offset: number): Pick<Config, 'metrics' | 'admin'> {
  const moved = <Address extends { readonly port: number }>(address: Address): Address =>
    address.port === 0 ? address : { ...address, port: address.port + offset };
  return { metrics: metrics && moved(metrics), admin: admin && moved(admin) };
}

class IngressWorker implements Restartable {
  readonly #index: number;
  readonly #order: IngressWorkerOrder;
  #process: Awaited<ReturnType<typeof startSupervised>> | undefined;

  constructor(index: number, order: IngressWorkerOrder) {
    this.#index = index;
    this.#order = order;
  }

  get exited(): Restartable['exited'] {
    return this.#process?.exited ?? Promise.resolve({ code: null, signal: null });
  }

  async restart(): Promise<void> {
    await this.stop();
    const { drainNoticeMs, drainMs } = this.#order.config;
    const listens = Promise.withResolvers<void>();
    const child = await startSupervised({
      name: `ingress ${this.#index}`,
      command: process.execPath,
      args: [PROGRAM],
      isReady: (line) => line === WORKER_STARTED,
      readyTimeoutMs: START_MS,
      stopTimeoutMs: drainNoticeMs + drainMs + CLOSE_MS,
      // The workers of a parent that was killed answer what they have begun.
      deathSignal: 'SIGTERM',
      onLine: (line) => void (line === WORKER_STARTED || process.stderr.write(`${line}\n`)),
      onMessage: (message) => void (message === WORKER_LISTENS && listens.resolve()),
    });
    this.#process = child;
    child.send(this.#order);
    const timer = setTimeout(
      () => listens.reject(new LaunchError('not_ready_in_time', 'it does not listen')),
      START_MS,
    );
    const ended = child.exited.then(() =>
      Promise.reject(new LaunchError('exited_early', child.logs().at(-1) ?? 'it ended')),
    );
    await Promise.race([listens.promise, ended]).finally(() => clearTimeout(timer));
  }

  async stop(): Promise<void> {
    await this.#process?.stop();
  }
}
