import type { AgreedPrice, Usage } from '#bus-schemas';
import { type ChargeTerms, chargedFor, costOf } from '#coordinator/job-cost.ts';
import type { AnswerCost } from '#http-api/core/answer-cost.ts';

/** The terms of settlement's reply to a hold; undefined if the reply has none. */
export function chargeTerms(reply: {
  heldMicroUsd: number;
  agreed?: AgreedPrice;
}): ChargeTerms | undefined {
  const { heldMicroUsd: held, agreed } = reply;
  if (agreed === undefined) return undefined;
  return {
    price: {
      inputPerMillion: agreed.inputMicroUsdPerMillion,
      cacheReadPerMillion: agreed.cacheReadMicroUsdPerMillion,
      outputPerMillion: agreed.outputMicroUsdPerMillion,
    },
    minimum: agreed.minimumMicroUsd,
    held,
  };
}

/**
 * The amount that settlement will charge for a complete answer with this billable usage. An answer
 * of which no token was delivered costs nothing.
 */
export function answerCost(
  terms: ChargeTerms,
  { promptTokens, cachedTokens, completionTokens }: Usage,
  deliveredTokens: number,
): AnswerCost {
  if (deliveredTokens === 0) return { totalMicroUsd: 0, promptMicroUsd: 0 };
  const prompt = { prompt: promptTokens, cached: cachedTokens };
  const totalMicroUsd = chargedFor(terms, { ...prompt, completion: completionTokens });
  return {
    totalMicroUsd,
    promptMicroUsd: Math.min(totalMicroUsd, costOf(terms.price, { ...prompt, completion: 0 })),
  };
}
