import type { SeededNumbers } from './seeded-numbers.ts';

/** Delay of a message between two hosts, in milliseconds. */
const SHORTEST_MS = 0.2;
const USUAL_MOST_MS = 2;
/** One message in so many is late, as after a lost packet. */
const LATE_SHARE = 0.002;
const LATE_MOST_MS = 300;

/** The cables of the world: how long bytes take, and which hosts cannot reach each other. */
export class Cables {
  /** A connection over a cut link tries again after this time, in milliseconds. */
  readonly retryMs = 200;
  readonly #random: SeededNumbers;
  readonly #cut = new Set<string>();

  constructor(random: SeededNumbers) {
    this.#random = random;
  }

  delay(from: string, to: string): number {
    if (from === to) return SHORTEST_MS / 10;
    const most = this.#random.chance(LATE_SHARE) ? LATE_MOST_MS : USUAL_MOST_MS;
    return this.#random.between(SHORTEST_MS, most);
  }

  isCut(one: string, other: string): boolean {
    return this.#cut.size > 0 && this.#cut.has(nameOf(one, other));
  }

  cut(one: string, other: string): void {
    this.#cut.add(nameOf(one, other));
  }

  mend(one: string, other: string): void {
    this.#cut.delete(nameOf(one, other));
  }
}

const nameOf = (one: string, other: string): string => [one, other].toSorted().join(' ');
