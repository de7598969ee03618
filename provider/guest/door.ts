import type { ClosureReason } from '../reasons.ts';
import { isOpenAt, type Schedule, type ScheduleState, scheduleAt } from './schedule.ts';

/** Why the machine accepts no new requests, and when that ends, if it is known. */
export interface Closed {
  readonly reason: ClosureReason;
  readonly until?: number;
}

interface DoorOptions {
  readonly schedule: Schedule | undefined;
  readonly setDraining: (isDraining: boolean) => void;
}

/** Decides whether new requests are accepted: neither the owner's pause nor a setting excludes them. */
export class Door {
  readonly #options: DoorOptions;
  #isPaused = false;
  #isDraining = false;
  /** The end of the present state takes longer to compute than the state, so it is kept. */
  #hours: ScheduleState | undefined;
  #closed: Closed | undefined;

  constructor(options: DoorOptions) {
    this.#options = options;
  }

  /** Undefined while no setting closes the machine. A pause by the owner is not included. */
  get closed(): Closed | undefined {
    return this.#closed;
  }

  setPaused(isPaused: boolean): void {
    this.#isPaused = isPaused;
    this.#apply();
  }

  /** Call it about once a second. */
  tick(now: number): void {
    const { schedule } = this.#options;
    if (schedule === undefined) return;
    // The state also changes before its end if the clock of the computer is set.
    if (this.#hours?.isOpen !== isOpenAt(schedule, now)) this.#hours = scheduleAt(schedule, now);
    const { isOpen, until } = this.#hours;
    this.#closed = isOpen
      ? undefined
      : { reason: 'schedule', ...(until !== undefined && { until }) };
    this.#apply();
  }

  #apply(): void {
    const isDraining = this.#isPaused || this.#closed !== undefined;
    if (isDraining !== this.#isDraining) this.#options.setDraining(isDraining);
    this.#isDraining = isDraining;
  }
}
