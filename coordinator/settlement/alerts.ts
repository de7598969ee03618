import { events, SettlementAlert } from '#bus-schemas';
import type { Context } from '#coordinator/context.ts';

type Alert = SettlementAlert['alert'];

/**
 * Reports conditions that need an operator: in the log each time, and on the bus once for each
 * subject.
 */
export class Alerts {
  readonly #context: Pick<Context, 'bus' | 'log' | 'now'>;

  constructor(context: Pick<Context, 'bus' | 'log' | 'now'>) {
    this.#context = context;
  }

  raise(alert: Alert, subject: string): void {
    const { bus, log, now } = this.#context;
    log.error({ alert, subject }, 'settlement needs a look');
    bus.emit(
      events.settlementAlert,
      SettlementAlert,
      { at: now(), alert, subject: subject.slice(0, 128) },
      `alert:${alert}:${subject}`,
    );
  }
}
