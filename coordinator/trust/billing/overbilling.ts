import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { events, Violation } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';
import type { Attestor } from '../attestation/attestor.ts';

/** Adds nothing for a revoked machine, and each job once. */
const ADD = namedStatement('billing.add-overbilled-job')`
  INSERT INTO overbilled_jobs (provider, job, at)
  SELECT id, ${'job'}, ${'at'} FROM providers WHERE id = ${'provider'} AND revoked_at IS NULL
  ON CONFLICT (provider, job) DO NOTHING`;

const COUNT = namedStatement<{ strikes: number }>('billing.count-overbilled-jobs')`
  SELECT count(*)::int AS strikes FROM overbilled_jobs
  WHERE provider = ${'provider'} AND at > ${'after'}`;

const DROP = namedStatement('billing.drop-overbilled-jobs')`
  DELETE FROM overbilled_jobs WHERE provider = ${'provider'} AND at <= ${'until'}`;

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
    const { database, now } = this.#options;
    await queryNamed(database, DROP, { provider, until: now() });
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
    await queryNamed(database, DROP, { provider, until: at - STRIKE_MS });
    await queryNamed(database, ADD, { provider, job, at });
    const [row] = await queryNamed(database, COUNT, { provider, after: at - STRIKE_MS });
    const strikes = row?.strikes ?? 0;
    log.warn({ provider, job, strikes }, 'a machine billed more tokens than its answer holds');
    if (strikes >= STRIKES) await attestor.accuse(provider, 'overbilled');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#subscription.unsubscribe();
    await Promise.all(this.#running);
  }
}
