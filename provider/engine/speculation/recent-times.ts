import { middleOf } from './middle-of.ts';

/** Number of passes of whose times the median is taken: one that was interrupted changes nothing. */
const SAMPLES = 5;

/** The times of the last passes, in milliseconds. */
export class RecentTimes {
  #ms: readonly number[];

  /** `ms` is the time until passes were measured. */
  constructor(ms: number) {
    this.#ms = Array<number>(SAMPLES).fill(ms);
  }

  add(ms: number): void {
    this.#ms = [...this.#ms.slice(1 - SAMPLES), ms];
  }

  get middle(): number {
    return middleOf(this.#ms) ?? 0;
  }
}
