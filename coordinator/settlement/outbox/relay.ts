import type { Logger } from 'pino';
import type { Bus } from '#coordinator/bus.ts';
import { NotStoredError } from '#coordinator/event-publisher.ts';
import type { Alerts } from '../alerts.ts';
import type { OutboxRow, OutboxStore } from './outbox-store.ts';

const ROWS = 8;
const POLL_MS = 2_000;
/**
 * The relay gathers facts for this long, in milliseconds. No request waits for them, and one query
 * finds them all.
 */
const GATHER_MS = 200;
const MAX_REFUSALS = 10;
const LONGEST_PAUSE_MS = 60_000;

export interface OutboxRelayOptions {
  readonly bus: Pick<Bus, 'store'>;
  readonly store: OutboxStore;
  readonly alerts: Pick<Alerts, 'raise'>;
  readonly log: Logger;
  /** Each failure doubles this pause, in milliseconds. Tests make it shorter. */
  readonly firstPauseMs?: number;
}

type RowOutcome = 'published' | 'refused' | 'later';

/**
 * Publishes the facts in the outbox, in order, until the bus has stored them. The stream drops
 * repeated facts by their message ids. Facts leave over one connection, so that a lost connection
 * can cut off the last facts of a row but leaves no gap in it.
 */
export class OutboxRelay implements AsyncDisposable {
  readonly #options: OutboxRelayOptions;
  readonly #poll: NodeJS.Timeout;
  /** Counts how often the stream refused a fact of each row. */
  readonly #refusals = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #looking: Promise<void> | undefined;
  #failures = 0;
  #stopped = false;

  constructor(options: OutboxRelayOptions) {
    this.#options = options;
    this.#poll = setInterval(() => {
      this.#looking ??= this.#look().finally(() => {
        this.#looking = undefined;
      });
    }, POLL_MS);
  }

  /** Schedules a run, because the outbox may have new facts. */
  nudge(): void {
    this.#schedule(GATHER_MS);
  }

  /** Other processes write facts as well, and one that is killed nudges no relay. */
  async #look(): Promise<void> {
    if (this.#isScheduled) return;
    const { store } = this.#options;
    // A run reports a database that does not answer.
    if (await store.isAnyWaiting().catch(() => true)) this.nudge();
  }

  get #isScheduled(): boolean {
    return this.#timer !== undefined || this.#running !== undefined;
  }

  #schedule(inMs: number): void {
    if (this.#stopped || this.#isScheduled) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#running = this.#relay().finally(() => {
          this.#running = undefined;
          if (this.#failures > 0) this.#schedule(this.#pauseMs());
        });
      },
      Math.max(inMs, this.#failures > 0 ? this.#pauseMs() : 0),
    );
  }

  #pauseMs(): number {
    return Math.min(
      LONGEST_PAUSE_MS,
      (this.#options.firstPauseMs ?? 250) * 2 ** Math.min(this.#failures, 10),
    );
  }

  async #relay(): Promise<void> {
    const { store, log } = this.#options;
    try {
      let more = true;
      while (more && !this.#stopped) {
        more = false;
        await store.asOnlyPublisher(async (client) => {
          const rows = await store.waiting(client, ROWS);
          const outcomes = await Promise.all(rows.map((row) => this.#publish(row, client)));
          const done = rows.filter((_, index) => outcomes[index] === 'published');
          if (done.length > 0)
            await store.clear(
              client,
              done.map(({ id }) => id),
            );
          this.#failures = outcomes.every((outcome) => outcome === 'published')
            ? 0
            : this.#failures + 1;
          more = rows.length === ROWS && this.#failures === 0;
        });
      }
    } catch (error) {
      this.#failures += 1;
      log.warn({ err: error }, 'facts of the ledger could not be published; the relay tries again');
    }
  }

  async #publish(row: OutboxRow, client: Parameters<OutboxStore['park']>[0]): Promise<RowOutcome> {
    const { bus, store, alerts } = this.#options;
    const { id, subject, messageIds, payloads } = row;
    const results = await Promise.allSettled(
      payloads.map((payload, index) => bus.store(subject, payload, messageIds[index] as string)),
    );
    const failures = results.flatMap((result) =>
      result.status === 'rejected' ? [result.reason as unknown] : [],
    );
    if (failures.length === 0) {
      this.#refusals.delete(id);
      return 'published';
    }
    const isRefusal = (result: PromiseSettledResult<void> | undefined) =>
      result?.status === 'rejected' &&
      result.reason instanceof NotStoredError &&
      result.reason.code === 'refused';
    if (!results.every((result) => result.status === 'fulfilled' || isRefusal(result)))
      return 'later';
    const refusals = (this.#refusals.get(id) ?? 0) + 1;
    this.#refusals.set(id, refusals);
    if (refusals < MAX_REFUSALS) return 'refused';
    const refused = <T>(values: readonly T[]) =>
      values.filter((_, index) => isRefusal(results[index]));
    await store.park(
      client,
      { ...row, messageIds: refused(messageIds), payloads: refused(payloads) },
      String(failures[0]),
    );
    this.#refusals.delete(id);
    alerts.raise('parked', `outbox ${id}`);
    return 'refused';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#poll);
    clearTimeout(this.#timer);
    await Promise.all([this.#running, this.#looking]);
  }
}
