/**
 * Limits how many attempts may be abandoned because their first content is late.
 *
 * If few attempts are late, their machines are slow and another machine is quicker. If many are
 * late, the deadline is too short or the whole fleet is busy, and abandoning them only repeats the
 * same work on another machine. So a small share of all attempts may be abandoned, and the job
 * waits for the others. A provider that is late while the other providers are in time has no limit:
 * the delay is its own fault.
 */
const CUT_SHARE = 0.05;
/**
 * Attempts that may always be abandoned: with little traffic, 5 % is less than one. Enough for a small
 * fleet of which most machines have just become silent.
 */
const MIN_CUTS = 10;
/** Fewest attempts at the other providers that show whether those are in time. */
const MIN_OTHERS_BEGUN = 10;
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
    return isFew(all) || (others.begun >= MIN_OTHERS_BEGUN && isFew(others));
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
const isFew = ({ begun, cut }: Counts) => cut < Math.max(MIN_CUTS, CUT_SHARE * begun);

function add(sum: Counts, { begun, cut }: Counts = emptyCounts()): void {
  sum.begun += begun;
  sum.cut += cut;
}
