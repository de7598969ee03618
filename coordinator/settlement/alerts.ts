import { events, SettlementAlert } from '#bus-schemas';
import type { Context } from '#coordinator/context.ts';

type Alert = SettlementAlert['alert'];

/** The log line of each alert: what happened, and what an operator does next. */
const MESSAGES: Readonly<Record<Alert, string>> = {
  operation_conflict:
    'settlement: an operation contradicts the stored one and changed nothing; compare the two',
  ledger_drift:
    'settlement: the books do not balance, or Stripe has another sum; run `dinf ledger verify --full`',
  poison_event:
    'settlement: the end of a job is invalid and was not settled; its hold ends by receipt or expiry',
  parked:
    'settlement: the bus refused facts, which are parked; run `dinf ledger parked`, then `dinf ledger replay`',
  payout_stuck:
    'settlement: a withdrawal is open for more than 48 h; compare it with the transfers at Stripe',
};

type AlertContext = Pick<Context, 'bus' | 'log' | 'now'> & {
  readonly count: (alert: Alert) => void;
};

/**
 * Reports conditions that need an operator: in the log each time, and on the bus once for each
 * subject.
 */
export class Alerts {
  readonly #context: AlertContext;

  constructor(context: AlertContext) {
    this.#context = context;
  }

  raise(alert: Alert, subject: string): void {
    const { bus, log, now, count } = this.#context;
    count(alert);
    log.error({ alert, subject }, MESSAGES[alert]);
    bus.emit(
      events.settlementAlert,
      SettlementAlert,
      { at: now(), alert, subject: subject.slice(0, 128) },
      `alert:${alert}:${subject}`,
    );
  }
}
