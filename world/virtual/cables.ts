import type { SeededNumbers } from './seeded-numbers.ts';

/** Delay of a message between two hosts, in milliseconds. */
const SHORTEST_MS = 0.2;
const USUAL_MOST_MS = 2;
/** One message in so many is late, as after a lost packet. */
const LATE_SHARE = 0.002;
const LATE_MOST_MS = 300;
/** Most time between two tries over a link that is cut, in milliseconds. */
const LONGEST_RETRY_MS = 200;

/** The cables of the world: how long bytes take, and which hosts cannot reach each other. */
export class Cables {
  readonly #random: SeededNumbers;
  /** The links that are cut, each with what continues when it is whole again. */
  readonly #cut = new Map<string, ((afterMs: number) => void)[]>();

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
    const name = nameOf(one, other);
    if (!this.#cut.has(name)) this.#cut.set(name, []);
  }

  /**
   * Calls `goOn` when a link that is cut is whole again, with the time until the next try of a system that repeats
   * what it sent.
   */
  whenMended(one: string, other: string, goOn: (afterMs: number) => void): void {
    this.#cut.get(nameOf(one, other))?.push(goOn);
  }

  mend(one: string, other: string): void {
    const name = nameOf(one, other);
    const waiting = this.#cut.get(name) ?? [];
    this.#cut.delete(name);
    for (const goOn of waiting) goOn(this.#random.between(0, LONGEST_RETRY_MS));
  }
}

const nameOf = (one: string, other: string): string => [one, other].toSorted().join(' ');
