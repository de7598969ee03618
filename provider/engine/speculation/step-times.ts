import { middleOf } from './middle-of.ts';

/** Number of steps of which the median is taken: one that was interrupted changes nothing. */
const SAMPLES = 5;
/** Number of later steps after which a time is not used any more. */
const STALE_AFTER = 256;
/** After this number of steps with drafts, one without shows whether its time has changed. */
const DRAFTS_IN_A_ROW = 32;
/** Steps with more tokens are not measured. */
const MOST_TOKENS = 256;

interface Times {
  readonly ms: number[];
  measuredAt: number;
}

/**
 * How long a step takes by the number of its tokens, as it was measured lately: it depends on the
 * machine, the model, the length of the texts and on what else the machine does. A further token may
 * cost next to nothing or as much as the first one, and not each the same.
 */
export class StepTimes {
  readonly #times = new Map<number, Times>();
  readonly #extraMs: number;
  #steps = 0;
  #inARow = 0;

  /** `extraMs` is what a further token adds to a step until it is measured, in milliseconds. */
  constructor(extraMs: number) {
    this.#extraMs = extraMs;
  }

  measured(tokens: number, { tookMs, hasDrafts }: { tookMs: number; hasDrafts: boolean }): void {
    this.#steps += 1;
    this.#inARow = hasDrafts ? this.#inARow + 1 : 0;
    if (tokens > MOST_TOKENS) return;
    const before = this.#fresh(tokens) ?? [];
    this.#times.set(tokens, {
      ms: [...before, tookMs].slice(-SAMPLES),
      measuredAt: this.#steps,
    });
  }

  /**
   * Returns the time of a step of `tokens` tokens in milliseconds, and what further tokens add to it as a
   * share of it. Undefined if the step must be measured first.
   */
  plain(tokens: number): { plainMs: number; delay: (extra: number) => number } | undefined {
    const plainMs = this.#inARow < DRAFTS_IN_A_ROW ? this.#known(tokens) : undefined;
    if (plainMs === undefined || plainMs <= 0) return undefined;
    return {
      plainMs,
      delay: (extra) => Math.max(0, this.#expected(tokens + extra, tokens) - plainMs) / plainMs,
    };
  }

  /**
   * The expected time of a step; the time of one with `plain` tokens is known. It is infinite if the step
   * is much larger than all that were measured: the first drafts are short, so that they cost little.
   */
  #expected(tokens: number, plain: number): number {
    let below = tokens;
    while (below > plain && this.#known(below) === undefined) below -= 1;
    const unknown = tokens - below;
    if (unknown > Math.max(plain, below - plain)) return Number.POSITIVE_INFINITY;
    return (this.#known(below) ?? 0) + unknown * this.#extraMs;
  }

  #known(tokens: number): number | undefined {
    return middleOf(this.#fresh(tokens) ?? []);
  }

  #fresh(tokens: number): readonly number[] | undefined {
    const times = this.#times.get(tokens);
    return times && this.#steps - times.measuredAt <= STALE_AFTER ? times.ms : undefined;
  }
}
