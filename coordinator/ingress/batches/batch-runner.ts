import type { Registry } from 'prom-client';
import { BatchChanged, events } from '#bus-schemas';
import { BusError } from '#coordinator/bus.ts';
import { measured } from '#observability';
import { batchFigures } from './batch-figures.ts';
import { openBatchKeys } from './batch-keys.ts';
import { takeBatch } from './batch-lease.ts';
import { BatchRun, type BatchRunDeps } from './batch-run.ts';

/** Batches that one ingress runs at the same time. */
const MAX_RUNNING = 4;
/** Time between two searches for a batch that no ingress runs, in milliseconds. */
const LOOK_MS = 5_000;

export interface BatchRunnerDeps extends Omit<BatchRunDeps, 'figures'> {
  readonly ingress: string;
  readonly metrics: Registry;
  /** Opens the keys of batches; no other component has it. */
  readonly ingressKey: Buffer;
}

/** Runs batches on this ingress, as many as it may, until it stops. */
export class BatchRunner implements AsyncDisposable {
  readonly #deps: BatchRunnerDeps & Pick<BatchRunDeps, 'figures'>;
  readonly #running = new Map<BatchRun, Promise<void>>();
  readonly #timer: NodeJS.Timeout;
  readonly #subscription: { unsubscribe(): void };
  #search: Promise<void> | undefined;
  #isSearchWanted = false;
  #isStopped = false;

  constructor(deps: BatchRunnerDeps) {
    this.#deps = { ...deps, figures: batchFigures(deps.metrics) };
    measured(deps.metrics, 'dinf_batches_running', () => this.#running.size);
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
    this.#subscription = deps.bus.subscribe({
      subject: events.accountsBatchChanged,
      kind: BatchChanged,
      handle: ({ id }) => {
        for (const run of this.#running.keys()) if (run.id === id) void run.renew();
        this.#look();
      },
    });
  }

  /** Takes no further batch and starts no further line. */
  stop(): void {
    this.#isStopped = true;
    for (const run of this.#running.keys()) run.stop();
  }

  #look(): void {
    // An ingress that is draining may be opened again.
    if (this.#deps.isClosed()) for (const run of this.#running.keys()) run.stop();
    if (this.#isStopped || this.#deps.isClosed()) return;
    this.#isSearchWanted = true;
    this.#search ??= this.#searchAll().finally(() => {
      this.#search = undefined;
    });
  }

  async #searchAll(): Promise<void> {
    while (this.#isSearchWanted && !this.#isStopped) {
      this.#isSearchWanted = false;
      try {
        while (this.#running.size < MAX_RUNNING && (await this.#takeOne()));
      } catch (error) {
        if (!(error instanceof BusError)) throw error;
        this.#deps.log.warn({ err: error }, 'batches could not be looked for');
      }
    }
  }

  /** Returns false if there is no batch to run. */
  async #takeOne(): Promise<boolean> {
    const { bus, ingress, ingressKey, log } = this.#deps;
    const claimed = await takeBatch(bus, ingress);
    if (claimed === undefined) return false;
    const { lease, record, keys: sealed, isDone } = claimed;
    let run: BatchRun;
    try {
      const keys = openBatchKeys({ account: lease.account, id: lease.id, sealed }, ingressKey);
      run = new BatchRun({ lease, record, keys, isDone }, this.#deps);
    } catch (error) {
      log.warn(
        { batch: lease.id, err: error },
        'the keys of a batch cannot be opened: it waits for the next request of its caller',
      );
      await lease.release(true);
      return true;
    }
    if (this.#isStopped) run.stop();
    const ended = run
      .run()
      .catch((error: unknown) => {
        // Another ingress, or this one, takes the batch when its lease ends.
        log.error({ batch: lease.id, err: error }, 'a batch could not be run');
      })
      .finally(() => {
        this.#running.delete(run);
        this.#look();
      });
    this.#running.set(run, ended);
    return true;
  }

  /** Waits until the batches are given back. Their jobs must have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    clearInterval(this.#timer);
    this.#subscription.unsubscribe();
    await this.#search;
    await Promise.all(this.#running.values());
  }
}
