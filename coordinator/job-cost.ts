/**
 * The cost of a job. Settlement charges by these rules, and the ingress states the same amount in
 * the usage of the answer.
 */

/** Each price is in micro-dollars per million tokens. */
export interface Price {
  readonly inputPerMillion: number;
  /** This price applies to prompt tokens that the provider read from its cache. */
  readonly cacheReadPerMillion: number;
  readonly outputPerMillion: number;
}

export const FREE: Price = { inputPerMillion: 0, cacheReadPerMillion: 0, outputPerMillion: 0 };

/** An amount less a whole number of percent, rounded up, so that only 100 percent make it 0. */
export const lessPercent = (amount: number, percent: number): number =>
  Number((BigInt(amount) * BigInt(100 - percent) + 99n) / 100n);

export const discounted = (price: Price, percent: number): Price => ({
  inputPerMillion: lessPercent(price.inputPerMillion, percent),
  cacheReadPerMillion: lessPercent(price.cacheReadPerMillion, percent),
  outputPerMillion: lessPercent(price.outputPerMillion, percent),
});

const MILLION = 1_000_000n;

export interface Tokens {
  readonly prompt: number;
  /** The number of prompt tokens that were read from the cache; `prompt` includes them. */
  readonly cached?: number;
  readonly completion: number;
}

/**
 * Returns whole micro-dollars, rounded up, so that a priced token is never free. The arithmetic
 * uses BigInt because tokens times price can exceed 2^53. A cost above 2^53 - 1 is reduced to that
 * value.
 */
export function costOf(price: Price, { prompt, cached = 0, completion }: Tokens): number {
  const exact =
    BigInt(prompt - cached) * BigInt(price.inputPerMillion) +
    BigInt(cached) * BigInt(price.cacheReadPerMillion) +
    BigInt(completion) * BigInt(price.outputPerMillion);
  return Math.min(Number((exact + MILLION - 1n) / MILLION), Number.MAX_SAFE_INTEGER);
}

/** A cost of zero, such as that of a free model, has no minimum. */
function atLeast(cost: number, minimum: number): number {
  return cost === 0 ? 0 : Math.max(cost, minimum);
}

/** Returns the micro-dollars to set aside: the cost if the job uses both bounds in full. */
export function holdFor(
  price: Price,
  bounds: { prompt: number; completion: number },
  minimum: number,
): number {
  return atLeast(costOf(price, bounds), minimum);
}

/** What decides the charge of a job besides its tokens. Amounts are in micro-dollars. */
export interface ChargeTerms {
  readonly price: Price;
  /** The smallest charge for a priced job that delivered a token. */
  readonly minimum: number;
  /** The money that is set aside for the job: the most that it may cost. */
  readonly held: number;
}

/** The charge, in micro-dollars, of a job that delivered these tokens. */
export function chargedFor({ price, minimum, held }: ChargeTerms, tokens: Tokens): number {
  return Math.min(held, atLeast(costOf(price, tokens), minimum));
}
