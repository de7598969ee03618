/**
 * How many attempts may be cut off because they are late. A few late ones are their machines'
 * fault, and another machine is quicker;
 * many are the deadline's or the whole fleet's, and cutting them off only begins the same work anew
 * elsewhere. So a small share may be
 * cut, and the others are waited for; but what is late at one machine while the others are in time
 * is that machine's fault, however much it is.
 */
const SHARE = 0.05;
/** Where little is asked, a share of it is nothing. */
const LEAST = 3;
/** Fewer attempts at the others tell nothing of them. */
const ENOUGH_ELSEWHERE = 10;
const WINDOW_MS = 30_000;

interface Counts {
  begun: number;
  cut: number;
}

interface Window {
  readonly all: Counts;
  readonly byProvider: Map<string, Counts>;
}

export class LateBudget {
  #windowEnds = 0;
  #now = emptyWindow();
  #before = emptyWindow();

  begun(provider: string, now: number): void {
    this.#count(provider, 'begun', now);
  }

  cut(provider: string, now: number): void {
    this.#count(provider, 'cut', now);
  }

  mayCut(provider: string, now: number): boolean {
    this.#turn(now);
    const [all, own] = [emptyCounts(), emptyCounts()];
    for (const { all: counted, byProvider } of [this.#now, this.#before]) {
      add(all, counted);
      add(own, byProvider.get(provider));
    }
    const others = { begun: all.begun - own.begun, cut: all.cut - own.cut };
    return isFew(all) || (others.begun >= ENOUGH_ELSEWHERE && isFew(others));
  }

  #count(provider: string, what: keyof Counts, now: number): void {
    this.#turn(now);
    const { all, byProvider } = this.#now;
    const own = byProvider.get(provider) ?? emptyCounts();
    byProvider.set(provider, own);
    all[what] += 1;
    own[what] += 1;
  }

  #turn(now: number): void {
    if (now < this.#windowEnds) return;
    const isNext = now < this.#windowEnds + WINDOW_MS;
    this.#before = isNext ? this.#now : emptyWindow();
    this.#now = emptyWindow();
    this.#windowEnds = (isNext ? this.#windowEnds : now) + WINDOW_MS;
  }
}

const emptyCounts = (): Counts => ({ begun: 0, cut: 0 });
const emptyWindow = (): Window => ({ all: emptyCounts(), byProvider: new Map() });
const isFew = ({ begun, cut }: Counts) => cut < Math.max(LEAST, SHARE * begun);

function add(sum: Counts, { begun, cut }: Counts = emptyCounts()): void {
  sum.begun += begun;
  sum.cut += cut;
}
