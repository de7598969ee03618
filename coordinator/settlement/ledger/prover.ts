import type { Logger } from 'pino';
import type { Verified } from '#bus-schemas';
import type { Alerts } from '../alerts.ts';
import type { LedgerStore } from './ledger-store.ts';

export interface ProverOptions {
  readonly ledger: Pick<LedgerStore, 'verify'>;
  /** Micro-dollars that Stripe has in excess of the ledger; undefined without Stripe. */
  readonly payments: { drift(): Promise<number | undefined> };
  readonly alerts: Pick<Alerts, 'raise'>;
  readonly log: Logger;
  readonly everyMs: number;
}

/**
 * Proves at intervals and on request that the books balance, and raises an alert if they do not.
 */
export class Prover implements AsyncDisposable {
  readonly #options: ProverOptions;
  readonly #timer: NodeJS.Timeout;
  #running: Promise<unknown> | undefined;

  constructor(options: ProverOptions) {
    this.#options = options;
    this.#timer = setInterval(() => {
      this.#running ??= this.prove(false)
        .catch((error: unknown) =>
          options.log.warn(
            { err: error },
            'the books could not be verified; the next interval tries again',
          ),
        )
        .finally(() => {
          this.#running = undefined;
        });
    }, options.everyMs);
  }

  async prove(full: boolean): Promise<Verified> {
    const { ledger, payments, alerts, log } = this.#options;
    const { openHolds, parked, newEntries, ...violations } = await ledger.verify(full);
    // If Stripe does not answer, the ledger is checked all the same.
    const stripeDriftMicroUsd = await payments.drift().catch((error: unknown) => {
      log.warn(
        { err: error },
        'the balance transactions of Stripe could not be read; only the ledger is verified',
      );
      return undefined;
    });
    const ok =
      Object.values(violations).every((count) => count === 0) && (stripeDriftMicroUsd ?? 0) === 0;
    if (!ok) alerts.raise('ledger_drift', JSON.stringify({ ...violations, stripeDriftMicroUsd }));
    return {
      ok,
      openHolds,
      parked,
      newEntries,
      ...violations,
      ...(stripeDriftMicroUsd !== undefined && { stripeDriftMicroUsd }),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }
}
