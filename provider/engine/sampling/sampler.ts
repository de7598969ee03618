import { SeededRandom } from './random.ts';

export interface SamplingOptions {
  readonly temperature: number;
  readonly topP: number;
  /** 0 means no limit. */
  readonly topK: number;
  readonly minP: number;
  /** 1 means no penalty. */
  readonly repetitionPenalty: number;
  readonly frequencyPenalty: number;
  readonly presencePenalty: number;
  readonly logitBias: ReadonlyMap<number, number>;
  readonly seed: number;
}

/** One bit for each token of the vocabulary: 1 if the token is allowed. */
export type TokenMask = Int32Array;

/** Chooses the tokens of one sequence, independently of other sequences in the batch. */
export class Sampler {
  readonly #options: SamplingOptions;
  readonly #random: SeededRandom;
  /**
   * Number of times each token was generated. Prompt tokens have 0: only the repetition penalty
   * applies to them.
   */
  readonly #counts = new Map<number, number>();

  constructor(options: SamplingOptions, prompt: readonly number[]) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    if (options.repetitionPenalty !== 1) for (const token of prompt) this.#counts.set(token, 0);
  }

  /** False if the most likely token is always the choice. */
  get wantsLogits(): boolean {
    const { temperature, repetitionPenalty, frequencyPenalty, presencePenalty, logitBias } =
      this.#options;
    return (
      temperature > 0 ||
      repetitionPenalty !== 1 ||
      frequencyPenalty !== 0 ||
      presencePenalty !== 0 ||
      logitBias.size > 0
    );
  }

  /** Chooses a token. Applies penalties, biases and the mask to `row` in place. */
  choose(row: Float32Array, mask: TokenMask | undefined): number {
    this.#penalise(row);
    for (const [token, bias] of this.#options.logitBias)
      if (token < row.length) row[token] = (row[token] as number) + bias;
    if (mask) forbid(row, mask);
    return this.#options.temperature > 0 ? this.#draw(row) : mostLikelyToken(row);
  }

  /** Continues with the random numbers that follow those of `tokens` drawn tokens. */
  skip(tokens: number): void {
    if (this.#options.temperature > 0) this.#random.skip(tokens);
  }

  accept(token: number): void {
    this.#counts.set(token, (this.#counts.get(token) ?? 0) + 1);
  }

  #penalise(row: Float32Array): void {
    const { repetitionPenalty, frequencyPenalty, presencePenalty } = this.#options;
    if (repetitionPenalty === 1 && frequencyPenalty === 0 && presencePenalty === 0) return;
    for (const [token, count] of this.#counts) {
      let logit = row[token] as number;
      logit = logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty;
      row[token] = logit - frequencyPenalty * count - (count > 0 ? presencePenalty : 0);
    }
  }

  #draw(row: Float32Array): number {
    const { temperature, topK, topP, minP } = this.#options;
    const most = row[mostLikelyToken(row)] as number;
    const number = this.#random.next();
    if (topK === 0 && topP >= 1 && minP === 0)
      return drawFromAll(row, { most, temperature, number });
    const candidates = reduce(row, { most, temperature, minP, topK });
    const parts = candidates.map((token) =>
      Math.exp(((row[token] as number) - most) / temperature),
    );
    const total = parts.reduce((sum, part) => sum + part, 0);
    let [candidateCount, sum] = [0, 0];
    while (candidateCount < parts.length && (candidateCount === 0 || sum < topP * total))
      sum += parts[candidateCount++] as number;
    let left = number * sum;
    for (let i = 0; i < candidateCount; i += 1) {
      left -= parts[i] as number;
      if (left < 0) return candidates[i] as number;
    }
    return candidates[0] as number;
  }
}

/** Returns the most likely token; of equally likely ones, the lowest. */
export function mostLikelyToken(row: Float32Array): number {
  let [best, most] = [0, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < row.length; i += 1) {
    const value = row[i] as number;
    if (value > most) {
      most = value;
      best = i;
    }
  }
  return best;
}

function forbid(row: Float32Array, mask: TokenMask): void {
  for (let word = 0; word * 32 < row.length; word += 1) {
    const bits = mask[word] ?? 0;
    if (bits === -1) continue;
    const end = Math.min(row.length, word * 32 + 32);
    for (let i = word * 32; i < end; i += 1)
      if (((bits >>> (i % 32)) & 1) === 0) row[i] = Number.NEGATIVE_INFINITY;
  }
}

function drawFromAll(
  row: Float32Array,
  { most, temperature, number }: { most: number; temperature: number; number: number },
): number {
  let total = 0;
  for (let i = 0; i < row.length; i += 1)
    total += Math.exp(((row[i] as number) - most) / temperature);
  let left = number * total;
  for (let i = 0; i < row.length; i += 1) {
    left -= Math.exp(((row[i] as number) - most) / temperature);
    if (left < 0) return i;
  }
  return mostLikelyToken(row);
}

/**
 * If top_k, top_p or min_p is set, tokens less likely than this fraction of the most likely one are
 * never drawn, because sorting them would cost more than it changes.
 */
const NEGLIGIBLE = 1e-8;

/** Returns the tokens that may be drawn, the most likely first. */
function reduce(
  row: Float32Array,
  {
    most,
    temperature,
    minP,
    topK,
  }: { most: number; temperature: number; minP: number; topK: number },
): number[] {
  const least = most + temperature * Math.log(Math.max(minP, NEGLIGIBLE));
  const candidates: number[] = [];
  for (let i = 0; i < row.length; i += 1) if ((row[i] as number) >= least) candidates.push(i);
  candidates.sort((a, b) => (row[b] as number) - (row[a] as number) || a - b);
  return topK > 0 ? candidates.slice(0, topK) : candidates;
}

/** Log probability of each token, before temperature, penalties and masks are applied. */
export function logShares(row: Float32Array): (token: number) => number {
  const most = row[mostLikelyToken(row)] as number;
  let total = 0;
  for (let i = 0; i < row.length; i += 1) total += Math.exp((row[i] as number) - most);
  const whole = most + Math.log(total);
  return (token) => Math.min(0, (row[token] as number) - whole);
}

/** Returns the `count` most likely tokens, the most likely first. */
export function topTokens(row: Float32Array, count: number): number[] {
  const top: number[] = [];
  for (let i = 0; i < row.length; i += 1) {
    const value = row[i] as number;
    if (top.length === count && value <= (row[top[count - 1] as number] as number)) continue;
    const at = top.findIndex((token) => (row[token] as number) < value);
    top.splice(at === -1 ? top.length : at, 0, i);
    if (top.length > count) top.pop();
  }
  return top;
}
