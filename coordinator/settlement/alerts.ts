import { events, SettlementAlert } from '#bus-schemas';
import type { Context } from '#coordinator/context.ts';

type Alert = SettlementAlert['alert'];

/** Tells what a person must look at: on the bus, once for each subject, and in the log. */
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
