import type { Finish, TokenLogprob } from '#bus-schemas';
import type { ApiError } from '../../errors.ts';
import { costFields } from '../answer-cost.ts';
import type { ChoicesSum } from '../sum-of-ends.ts';

/** Shapes that OpenAI's chat and completions APIs share. */

export const DONE = 'data: [DONE]\n\n';

export function usageOf({ usage, cost }: ChoicesSum) {
  return {
    prompt_tokens: usage.promptTokens,
    completion_tokens: usage.completionTokens,
    total_tokens: usage.promptTokens + usage.completionTokens,
    prompt_tokens_details: { cached_tokens: usage.cachedTokens },
    completion_tokens_details: { reasoning_tokens: usage.reasoningTokens ?? 0 },
    ...costFields(cost, ['prompt', 'completions']),
  };
}

/**
 * The fields of a choice that failed, with OpenRouter's finish reason. Its error is in the choice,
 * because other choices of the answer are complete.
 */
export const failedChoice = (error: ApiError) => ({
  finish_reason: 'error',
  error: error.toBody().error,
});

export function finishReason(finish: Finish): string {
  return finish === 'tool_calls' || finish === 'length' ? finish : 'stop';
}

export function logprobsOf(logprobs: readonly TokenLogprob[]) {
  const withBytes = ({ token, logprob }: { token: string; logprob: number }) => ({
    token,
    logprob,
    bytes: [...Buffer.from(token)],
  });
  return {
    content: logprobs.map((entry) => ({
      ...withBytes(entry),
      top_logprobs: entry.top.map(withBytes),
    })),
    refusal: null,
  };
}
