import type { Ailment } from './ailment.ts';

/** How warm a machine is: it warms while it works and cools while it rests, each as fast as the other. */
export class Heat {
  /** Milliseconds of work that it has not rested from. */
  #warmth = 0;
  #at = 0;
  #isThrottled = false;

  /** What is left of its speed, when it has worked or rested since it was asked last. */
  speed({ throttles }: Ailment, wasBusy: boolean, now: number): number {
    const passed = now - this.#at;
    this.#at = now;
    if (throttles === undefined) {
      this.#warmth = 0;
      this.#isThrottled = false;
      return 1;
    }
    const { afterMs, to } = throttles;
    this.#warmth = wasBusy ? Math.min(afterMs, this.#warmth + passed) : Math.max(0, this.#warmth - passed);
    if (this.#warmth === afterMs) this.#isThrottled = true;
    if (this.#warmth === 0) this.#isThrottled = false;
    return this.#isThrottled ? to : 1;
  }
}
