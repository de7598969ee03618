import { describe, expect, test } from 'vitest';
import type { PromptUsage } from '#bus-schemas';
import { messages } from './messages.ts';
import { eventData } from './surface.ts';

const head = {
  job: 'job_1',
  model: 'sim',
  createdSeconds: 0,
  nowSeconds: () => 0,
  includeUsage: false,
  maxOutputTokens: 10,
  promptTokens: { estimate: 20, bound: 40 },
  request: {},
};
const usage = { promptTokens: 30, cachedTokens: 12, completionTokens: 1 };

/** The usage in the first event of a stream whose first delta has these tokens of the prompt. */
function firstUsage(prompt: PromptUsage | undefined, k: 'text' | 'reasoning' = 'text') {
  const stream = messages.stream(head);
  const events =
    stream.delta({ k, text: 'a', tokens: 1, ...(prompt && { prompt }) }) +
    stream.delta({ k: 'text', text: 'b', tokens: 1 }) +
    stream.finish({ finish: 'stop', usage, stopSequence: undefined });
  const [first] = eventData(events).map((data) => JSON.parse(data));
  expect(first.type).toBe('message_start');
  return first.message.usage;
}

describe('the first event of a stream of Anthropic’s API', () => {
  test.each(['text', 'reasoning'] as const)('has the tokens of the prompt before %s', (k) => {
    expect(firstUsage({ promptTokens: 30, cachedTokens: 12 }, k)).toEqual({
      input_tokens: 18,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 12,
      output_tokens: 0,
    });
  });

  test('has no more tokens of the prompt than may be charged', () => {
    expect(firstUsage({ promptTokens: 1_000_000, cachedTokens: 999_999 })).toMatchObject({
      input_tokens: 0,
      cache_read_input_tokens: 40,
    });
  });

  test('has an estimate if the engine counts the prompt only at the end', () => {
    expect(firstUsage(undefined)).toMatchObject({ input_tokens: 20, cache_read_input_tokens: 0 });
  });

  test('has the count of the end if the answer is empty', () => {
    const stream = messages.stream(head);
    const [first] = eventData(stream.finish({ finish: 'stop', usage, stopSequence: undefined }));
    expect(JSON.parse(first ?? '').message.usage).toMatchObject({ input_tokens: 18 });
  });
});
