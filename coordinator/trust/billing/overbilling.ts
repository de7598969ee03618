import { join } from 'node:path';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { events, Violation } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { loadStatements, query } from '#coordinator/sql.ts';
import type { Attestor } from '../attestation/attestor.ts';

const names = ['add-overbilled-job', 'count-overbilled-jobs', 'drop-overbilled-jobs'] as const;
const sql = loadStatements(join(import.meta.dirname, 'store'), names);

/**
 * A single answer may be unusual. This many overbilled answers within `STRIKE_MS` make a machine
 * untrusted.
 */
const STRIKES = 5;
/** In milliseconds. */
const STRIKE_MS = 24 * 3_600_000;

interface OverbillingOptions {
  readonly bus: Bus;
  readonly database: Pool;
  readonly attestor: Attestor;
  readonly log: Logger;
  readonly now: () => number;
}

/**
 * Counts the answers for which machines billed too many tokens, each job once. The counts are in
 * the database that all copies of trust share.
 */
export class Overbilling implements AsyncDisposable {
  readonly #options: OverbillingOptions;
  readonly #subscription: { unsubscribe(): void };
  readonly #running = new Set<Promise<void>>();

  constructor(options: OverbillingOptions) {
    this.#options = options;
    this.#subscription = options.bus.subscribe({
      subject: events.telemetryViolation,
      kind: Violation,
      queue: 'trust',
      handle: ({ provider, violation, job }) => {
        if (violation === 'overbilled' && job !== undefined) this.#strike(provider, job);
      },
    });
  }

  /** Clears the strikes of a machine that was pardoned. */
  async forget(provider: string): Promise<void> {
    await query(this.#options.database, sql['drop-overbilled-jobs'], [
      provider,
      this.#options.now(),
    ]);
  }

  #strike(provider: string, job: string): void {
    const { log } = this.#options;
    const work = this.#record(provider, job)
      .catch((error: unknown) =>
        log.warn({ provider, job, err: error }, 'an overbilled job could not be recorded'),
      )
      .finally(() => this.#running.delete(work));
    this.#running.add(work);
  }

  async #record(provider: string, job: string): Promise<void> {
    const { database, attestor, log, now } = this.#options;
    const at = now();
    await query(database, sql['drop-overbilled-jobs'], [provider, at - STRIKE_MS]);
    await query(database, sql['add-overbilled-job'], [provider, job, at]);
    const [row] = await query<{ strikes: number }>(database, sql['count-overbilled-jobs'], [
      provider,
      at - STRIKE_MS,
    ]);
    const strikes = row?.strikes ?? 0;
    log.warn({ provider, job, strikes }, 'a machine billed more tokens than its answer holds');
    if (strikes >= STRIKES) await attestor.accuse(provider, 'overbilled');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#subscription.unsubscribe();
    await Promise.all(this.#running);
  }
}
