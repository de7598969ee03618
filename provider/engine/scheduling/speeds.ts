/** Tokens per second: of prompts, and of the answer of one sequence. */
export interface Speeds {
  readonly prefillTps: number;
  readonly decodeTps: number;
}

const SMOOTHING = 0.2;

/** The speeds of this machine, which follow what its steps take. */
export class MovingSpeeds implements Speeds {
  #prefillTps: number;
  #decodeTps: number;

  constructor({ prefillTps, decodeTps }: Speeds) {
    this.#prefillTps = prefillTps;
    this.#decodeTps = decodeTps;
  }

  get prefillTps(): number {
    return this.#prefillTps;
  }

  get decodeTps(): number {
    return this.#decodeTps;
  }

  /** A step of `tookMs` processed this many tokens of prompts, and nothing else. */
  prefilled(tokens: number, tookMs: number): void {
    this.#prefillTps = smooth(this.#prefillTps, (1_000 * tokens) / tookMs);
  }

  /** In `tookMs`, each answer got this many tokens on average. */
  decoded(tokens: number, tookMs: number): void {
    this.#decodeTps = smooth(this.#decodeTps, (1_000 * tokens) / tookMs);
  }
}

const smooth = (before: number, now: number): number => before + SMOOTHING * (now - before);
