/**
 * The most that anybody could have served, knowing all in advance: work is divisible, goes to whoever is free, and is lost only when
 * it waited for longer than its clients do. Nothing real reaches it; how near it comes is what counts.
 */
export class FluidBound {
  readonly #patienceSeconds: number;
  #waiting = 0;
  #asked = 0;
  #lost = 0;

  constructor(patienceMs: number) {
    this.#patienceSeconds = patienceMs / 1_000;
  }

  /** One second: so many requests came, and so many could be served. */
  second(asked: number, possible: number): void {
    this.#asked += asked;
    this.#waiting = Math.max(0, this.#waiting + asked - possible);
    const late = Math.max(0, this.#waiting - possible * this.#patienceSeconds);
    this.#waiting -= late;
    this.#lost += late;
  }

  get share(): number {
    return this.#asked === 0 ? 1 : 1 - this.#lost / this.#asked;
  }
}
