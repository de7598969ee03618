import type { Finish, TokenLogprob } from '#bus-schemas';
import { costFields } from '../answer-cost.ts';
import type { AttemptEnd } from '../attempt-end.ts';

/** Shapes that OpenAI's chat and completions APIs share. */

export const DONE = 'data: [DONE]\n\n';

export function usageOf({ usage, cost }: AttemptEnd) {
  return {
    prompt_tokens: usage.promptTokens,
    completion_tokens: usage.completionTokens,
    total_tokens: usage.promptTokens + usage.completionTokens,
    prompt_tokens_details: { cached_tokens: usage.cachedTokens },
    completion_tokens_details: { reasoning_tokens: usage.reasoningTokens ?? 0 },
    ...costFields(cost, ['prompt', 'completions']),
  };
}

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
