/** One measured step that served only running answers. */
interface MeasuredStep {
  /** Number of answers in the step. */
  readonly answers: number;
  /** Number of tokens in the step beyond one for each answer. */
  readonly extraTokens: number;
  readonly tookMs: number;
}

const SMOOTHING = 0.2;
const FORGETTING = 0.01;
/** After this number of steps with drafts, one without shows whether the plain time has changed. */
const DRAFTS_IN_A_ROW = 32;

/**
 * The times of steps with and without drafts, as they were measured lately: how long a step takes
 * depends on the machine, the model, the length of the texts and on what else the machine does.
 */
export class StepTimes {
  /** Time of a step without drafts, by the number of answers in it. */
  readonly #plainMs = new Map<number, number>();
  readonly #firstExtraMs: number;
  #extraMs: number;
  #inARow = 0;

  /** `extraMs` is what a further token adds to a step until it is measured, in milliseconds. */
  constructor(extraMs: number) {
    this.#firstExtraMs = extraMs;
    this.#extraMs = extraMs;
  }

  /** Time of a step without drafts; undefined if it must be measured first. */
  plainMs(answers: number): number | undefined {
    return this.#inARow < DRAFTS_IN_A_ROW ? this.#plainMs.get(answers) : undefined;
  }

  /** Time that each further token adds to a step, in plain steps. */
  perToken(plainMs: number): number {
    return this.#extraMs / plainMs;
  }

  measured({ answers, extraTokens, tookMs }: MeasuredStep): void {
    if (tookMs <= 0) return;
    const plainMs = this.#plainMs.get(answers);
    if (extraTokens === 0) {
      this.#inARow = 0;
      this.#plainMs.set(answers, smooth(plainMs ?? tookMs, tookMs));
      // A high time is forgotten: without drafts, nothing else would show that it has changed.
      this.#extraMs -= FORGETTING * Math.max(0, this.#extraMs - this.#firstExtraMs);
    } else {
      this.#inARow += 1;
      if (plainMs !== undefined)
        this.#extraMs = smooth(this.#extraMs, Math.max(0, tookMs - plainMs) / extraTokens);
    }
  }
}

const smooth = (before: number, now: number): number => before + SMOOTHING * (now - before);
