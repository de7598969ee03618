import type { Logger } from 'pino';
import type { ThermalState } from '#bus-schemas';
import type { ClosureReason, GuestNote } from '../reasons.ts';
import type { Closed, DoorInput } from './door.ts';
import { afterHeat, COOL, HEAT_STEPS, type HeatStep, STREAM_SHARES } from './heat.ts';

export interface HeatGuardOptions {
  /** Limits the number of requests at the same time to this share of the usual number. */
  readonly setStreamShare: (share: number) => void;
  /** Counts that the machine accepts fewer requests because of heat. */
  readonly note: (fault: 'thermal') => void;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

const notes: Readonly<Record<HeatStep, GuestNote | undefined>> = {
  full: undefined,
  half: 'heat_half',
  quarter: 'heat_quarter',
  closed: undefined,
};
const CLOSED: ClosureReason = 'heat';

/** Lets a machine accept fewer requests before its computer is so hot that it must stop. */
export class HeatGuard implements DoorInput {
  readonly #options: HeatGuardOptions;
  #state = COOL;

  constructor(options: HeatGuardOptions) {
    this.#options = options;
  }

  get notes(): GuestNote[] {
    const note = notes[this.#state.step];
    return note === undefined ? [] : [note];
  }

  closedAt(): Closed | undefined {
    return this.#state.step === 'closed' ? { reason: CLOSED } : undefined;
  }

  /**
   * Takes a reading; undefined if the system does not report it, which counts as nominal. `now` is
   * in milliseconds on a clock that is never set.
   */
  look(thermal: ThermalState | undefined, now: number): void {
    const { step: before } = this.#state;
    this.#state = afterHeat(this.#state, thermal ?? 'nominal', now);
    const { step } = this.#state;
    if (step === before) return;
    const { setStreamShare, note, log } = this.#options;
    setStreamShare(STREAM_SHARES[step]);
    if (HEAT_STEPS.indexOf(step) > HEAT_STEPS.indexOf(before)) {
      note('thermal');
      log.warn({ step, thermal }, 'this computer is hot, so it accepts fewer requests');
    } else log.info({ step }, 'this computer has cooled down, so it accepts more requests');
  }
}
