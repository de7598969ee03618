import type { ThermalState } from '#bus-schemas';
import type { Ailment } from './ailment.ts';

/** Share of the work before a machine slows down, from which it is warm. */
const FAIR_SHARE = 0.75;

/** Temperature of a machine. It rises during work and falls during rest, at the same rate. */
export class Heat {
  /** Milliseconds of work that are not yet offset by rest, at most `afterMs` of the ailment. */
  #warmth = 0;
  #at = 0;
  #isThrottled = false;
  #limit = 0;

  /** What the machine reports of its temperature. */
  get state(): ThermalState {
    if (this.#isThrottled) return 'serious';
    return this.#limit > 0 && this.#warmth >= FAIR_SHARE * this.#limit ? 'fair' : 'nominal';
  }

  /**
   * Returns the share of its speed at which the machine runs now. `wasBusy` tells whether it has
   * worked since the last call.
   */
  speed({ throttles }: Ailment, wasBusy: boolean, now: number): number {
    const passed = now - this.#at;
    this.#at = now;
    this.#limit = throttles?.afterMs ?? 0;
    if (throttles === undefined) {
      this.#warmth = 0;
      this.#isThrottled = false;
      return 1;
    }
    const { afterMs, to } = throttles;
    this.#warmth = wasBusy
      ? Math.min(afterMs, this.#warmth + passed)
      : Math.max(0, this.#warmth - passed);
    if (this.#warmth === afterMs) this.#isThrottled = true;
    if (this.#warmth === 0) this.#isThrottled = false;
    return this.#isThrottled ? to : 1;
  }
}
