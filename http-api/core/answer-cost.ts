/** The cost of an answer to its caller. Amounts are whole micro-dollars. */
export interface AnswerCost {
  readonly totalMicroUsd: number;
  /** Part of the total for the prompt, at the price of the prompt tokens. */
  readonly promptMicroUsd: number;
}

const MICRO = 1_000_000;
const dollars = (microUsd: number) => microUsd / MICRO;

/**
 * The fields for the cost of an answer that OpenRouter adds to `usage`, in US dollars. The parts
 * add up to the total: the part of the answer includes the rounding and the minimum charge.
 * OpenRouter names the parts differently in its two APIs.
 */
export function costFields(
  cost: AnswerCost | undefined,
  [prompt, answer]: readonly ['prompt', 'completions'] | readonly ['input', 'output'],
) {
  if (cost === undefined) return undefined;
  const { totalMicroUsd, promptMicroUsd } = cost;
  return {
    cost: dollars(totalMicroUsd),
    is_byok: false,
    cost_details: {
      upstream_inference_cost: dollars(totalMicroUsd),
      [`upstream_inference_${prompt}_cost`]: dollars(promptMicroUsd),
      [`upstream_inference_${answer}_cost`]: dollars(totalMicroUsd - promptMicroUsd),
    },
  };
}
