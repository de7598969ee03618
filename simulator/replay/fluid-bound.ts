/**
 * Upper bound of the share of requests that any router could have served. It assumes that work is
 * divisible, that every free Mac takes it at once, and that a request is lost only after it has
 * waited for longer than its client does. No real router reaches this bound; the report states how
 * close it came.
 */
export class FluidBound {
  readonly #patienceSeconds: number;
  #waiting = 0;
  #asked = 0;
  #lost = 0;

  constructor(patienceMs: number) {
    this.#patienceSeconds = patienceMs / 1_000;
  }

  /**
   * Accounts for one second in which `asked` requests arrived and the fleet could serve `possible`.
   */
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
