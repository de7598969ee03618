import { describe, expect, test } from 'vitest';
import { introspectChat } from '../introspect.ts';
import type { JsonObject } from '../json.ts';
import { chat } from './chat.ts';
import { type AnswerHead, lowerRequest } from './surface.ts';

const request = (fields: JsonObject) => ({
  model: 'sim',
  messages: [{ role: 'user', content: 'Hi' }],
  ...fields,
});
const effortOf = (fields: JsonObject) =>
  introspectChat(lowerRequest(chat, request(fields)).chat).body['reasoning_effort'];

describe("OpenRouter's reasoning", () => {
  test.each([
    [{ effort: 'low' }, 'low'],
    [{ effort: 'max' }, 'xhigh'],
    [{ max_tokens: 1_024 }, 'low'],
    [{ max_tokens: 1_025 }, 'medium'],
    [{ max_tokens: 100_000 }, 'high'],
    [{ enabled: true }, 'medium'],
    [{ enabled: false }, 'none'],
    [{ exclude: true }, undefined],
  ])('%j becomes the effort %s', (reasoning, effort) => {
    expect(effortOf({ reasoning })).toBe(effort);
  });

  test.each([
    { reasoning: { effort: 'huge' } },
    { reasoning: { max_tokens: 0 } },
    { reasoning: { enabled: 'yes' } },
    { reasoning: 'high' },
    { reasoning: { nom: 1 } },
    { reasoning: { effort: 'low' }, reasoning_effort: 'high' },
  ])('is refused if it is wrong: %j', (fields) => {
    expect(() => effortOf(fields)).toThrow(expect.objectContaining({ code: 'invalid_request' }));
  });

  test.each([
    [{}, true],
    [{ reasoning: { exclude: true } }, false],
    [{ include_reasoning: false }, false],
  ])('with %j is in the answer: %s', (fields, isShown) => {
    const head: AnswerHead = {
      job: 'job_1',
      model: 'sim',
      createdSeconds: 0,
      nowSeconds: () => 0,
      includeUsage: false,
      maxOutputTokens: 10,
      promptTokens: { estimate: 1, bound: 10 },
      request: request(fields),
    };
    const end = {
      finish: 'stop',
      usage: { promptTokens: 1, cachedTokens: 0, completionTokens: 2 },
      stopSequence: undefined,
    } as const;
    const content = { text: 'Hello', reasoning: 'Hmm', calls: [], logprobs: undefined, end };
    const whole = JSON.stringify(chat.whole(head, content));
    const writer = chat.stream(head);
    const streamed =
      writer.delta({ k: 'reasoning', text: 'Hmm', tokens: 1 }) +
      writer.delta({ k: 'text', text: 'Hello', tokens: 1 });
    for (const text of [whole, streamed]) {
      expect(text.includes('Hmm')).toBe(isShown);
      expect(text).toContain('Hello');
      expect(text).toContain('"role":"assistant"');
    }
  });
});
