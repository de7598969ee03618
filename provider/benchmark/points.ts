/** A combination of prompt length and concurrent requests that is measured. */
export interface BenchmarkPoint {
  /** Tokens that each prompt should have; the chat template makes it inexact. */
  readonly promptTokens: number;
  readonly requests: number;
}

export interface BenchmarkLimits {
  /** Tokens of prompt and answer that one request may have. */
  readonly contextTokens: number;
  /** Tokens of all requests together. */
  readonly freeTokens: number;
  readonly maxConcurrency: number;
  readonly answerTokens: number;
}

/** Prompt length of a usual request, in tokens. Its speeds are the ones that are announced. */
const USUAL_PROMPT = 512;
const PROMPTS = [128, USUAL_PROMPT, 2_048, 8_192, 32_768] as const;
const REQUESTS = [2, 4, 8, 16] as const;

/**
 * Points in the order of measurement: first each prompt length that the model has room for, alone,
 * then more and more requests of the usual length at the same time.
 */
export function benchmarkPoints(limits: BenchmarkLimits): BenchmarkPoint[] {
  const { contextTokens, freeTokens, maxConcurrency, answerTokens } = limits;
  const most = contextTokens - answerTokens;
  const lengths = PROMPTS.filter((promptTokens) => promptTokens <= most);
  const alone = lengths.length > 0 ? lengths : [Math.floor(most / 2)];
  const usual = usualOf(alone);
  const together = REQUESTS.filter(
    (requests) => requests <= maxConcurrency && requests * (usual + answerTokens) <= freeTokens,
  );
  return [
    ...alone.map((promptTokens) => ({ promptTokens, requests: 1 })),
    ...together.map((requests) => ({ promptTokens: usual, requests })),
  ];
}

/** The length that is nearest to that of a usual prompt. */
export const usualOf = (lengths: readonly number[]): number =>
  lengths.reduce((best, length) =>
    Math.abs(length - USUAL_PROMPT) < Math.abs(best - USUAL_PROMPT) ? length : best,
  );
