/**
 * How many attempts may be cut off because they are late. A few late ones are their machines' fault, and another machine is quicker;
 * many are the deadline's or the whole fleet's, and cutting them off only begins the same work anew elsewhere. So a small share may be
 * cut, and the others are waited for.
 */
const SHARE = 0.05;
/** Where little is asked, a share of it is nothing. */
const LEAST = 3;
const WINDOW_MS = 30_000;

export class LateBudget {
  #windowEnds = 0;
  #now = { begun: 0, cut: 0 };
  #before = { begun: 0, cut: 0 };

  begun(now: number): void {
    this.#turn(now);
    this.#now.begun += 1;
  }

  cut(now: number): void {
    this.#turn(now);
    this.#now.cut += 1;
  }

  mayCut(now: number): boolean {
    this.#turn(now);
    const begun = this.#now.begun + this.#before.begun;
    const cut = this.#now.cut + this.#before.cut;
    return cut < Math.max(LEAST, SHARE * begun);
  }

  #turn(now: number): void {
    if (now < this.#windowEnds) return;
    const isNext = now < this.#windowEnds + WINDOW_MS;
    this.#before = isNext ? this.#now : { begun: 0, cut: 0 };
    this.#now = { begun: 0, cut: 0 };
    this.#windowEnds = (isNext ? this.#windowEnds : now) + WINDOW_MS;
  }
}
