import type { JobResult, Usage } from '#bus-schemas';

/** Micro-dollars for a million tokens. */
export interface Price {
  readonly inputPerMillion: number;
  readonly outputPerMillion: number;
}

const MILLION = 1_000_000n;
const BASIS_POINTS = 10_000n;
/** A prompt whose tokens nobody reported is taken at the usual four bytes each; the bound counts bytes. */
const BYTES_PER_TOKEN = 4;

/**
 * In whole micro-dollars, rounded up: what is used is never free. Exact, though tokens times price passes 2^53; a cost past
 * 2^53 is more than any account can have and is left at that bound.
 */
export function costOf(price: Price, tokens: { prompt: number; completion: number }): number {
  const exact = BigInt(tokens.prompt) * BigInt(price.inputPerMillion) + BigInt(tokens.completion) * BigInt(price.outputPerMillion);
  return Math.min(Number((exact + MILLION - 1n) / MILLION), Number.MAX_SAFE_INTEGER);
}

export interface Held {
  readonly held: number;
  readonly price: Price;
  readonly promptBound: number;
}

export interface End {
  readonly result: JobResult;
  /** Counted at the ingress. */
  readonly deliveredTokens: number;
  /** The provider's word; absent when it died before it gave one. */
  readonly usage?: Pick<Usage, 'promptTokens' | 'completionTokens'> | undefined;
}

export interface Charge {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly charged: number;
  readonly providerShare: number;
  readonly fee: number;
}

const NOTHING: Charge = { promptTokens: 0, completionTokens: 0, charged: 0, providerShare: 0, fee: 0 };

/**
 * What a job costs: the lesser of what the provider says and what arrived, never more than was held, nothing when nothing was
 * delivered. The fee is rounded down, so that the provider gets the odd micro-dollar.
 */
export function chargeFor(job: Held, end: End, feeBps: number): Charge {
  if (end.result === 'failed' || end.deliveredTokens === 0) return NOTHING;
  const promptTokens = Math.min(end.usage?.promptTokens ?? Math.ceil(job.promptBound / BYTES_PER_TOKEN), job.promptBound);
  const completionTokens = Math.min(end.usage?.completionTokens ?? end.deliveredTokens, end.deliveredTokens);
  const charged = Math.min(job.held, costOf(job.price, { prompt: promptTokens, completion: completionTokens }));
  const fee = Number((BigInt(charged) * BigInt(feeBps)) / BASIS_POINTS);
  return { promptTokens, completionTokens, charged, providerShare: charged - fee, fee };
}
