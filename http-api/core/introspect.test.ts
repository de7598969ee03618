import { describe, expect, test } from 'vitest';
import { ApiError } from '../errors.ts';
import { forwardedRequest, introspectChat } from './introspect.ts';
import { parseJson } from './json.ts';

const messages = [{ role: 'user', content: 'Hello' }];
const chat = (fields: Record<string, unknown> = {}) =>
  introspectChat({ model: 'sim', messages, ...fields });
const codeOf = (run: () => unknown) => {
  try {
    run();
  } catch (error) {
    return error instanceof ApiError ? [error.code, error.param] : error;
  }
  return undefined;
};

describe('parsing', () => {
  test.each([
    ['malformed', Buffer.from('{"model": ')],
    ['not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ['an array', Buffer.from('[]')],
    ['empty', Buffer.alloc(0)],
  ])('%s is invalid_json', (_, body) => {
    expect(codeOf(() => parseJson(body))).toEqual(['invalid_json', null]);
  });

  test('ten thousand levels are refused without recursion', () => {
    const deep = Buffer.from(`{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}`);
    expect(codeOf(() => parseJson(deep))).toEqual(['invalid_request', null]);
  });

  test.each([
    ['an array of zeros', `{"z":[${'0,'.repeat(200_000)}0]}`],
    ['many small objects', `{"z":[${'{},'.repeat(200_000)}{}]}`],
    ['many fields', `{${Array.from({ length: 200_000 }, (_, index) => `"f${index}":0`).join()}}`],
  ])('a body with more values than any request needs is refused: %s', (_, text) => {
    expect(codeOf(() => parseJson(Buffer.from(text)))).toEqual(['payload_too_large', null]);
  });

  test('brackets and commas inside a text do not count as values', () => {
    const content = '[{"a": [1, 2, 3]}, "\\"] '.repeat(50_000);
    expect(parseJson(Buffer.from(JSON.stringify({ content, end: '\\' })))).toEqual({
      content,
      end: '\\',
    });
  });
});

describe('a chat request', () => {
  test.each([
    [{ n: 2 }, 'n'],
    [{ n: 'many' }, 'n'],
    [{ max_tokens: -1 }, 'max_tokens'],
    [{ max_tokens: 0 }, 'max_tokens'],
    [{ max_tokens: 1.5 }, 'max_tokens'],
    [{ unknown: 'x'.repeat(70_000) }, 'unknown'],
    [{ top_k: Array.from({ length: 20_000 }, () => 1.5) }, 'top_k'],
    [{ messages: [{ role: 'zz', content: 'x' }] }, 'messages'],
    [{ messages: [{ role: 'user', content: null }] }, 'messages'],
    [{ messages: [{ role: 'tool', tool_call_id: 'a' }] }, 'messages'],
    [{ max_completion_tokens: '5' }, 'max_completion_tokens'],
    [{ stream: 'yes' }, 'stream'],
    [{ stream_options: [] }, 'stream_options'],
    [{ messages: 'Hello' }, 'messages'],
    [{ messages: [] }, 'messages'],
    [{ messages: [{ role: 1, content: 'x' }] }, 'messages'],
    [{ messages: [{ role: 'user', content: 7 }] }, 'messages'],
    [{ messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] }, 'messages'],
    [{ model: 7 }, 'model'],
    [{ model: undefined }, 'model'],
  ])('%j names the field at fault', (fields, param) => {
    expect(codeOf(() => chat(fields))).toEqual(['invalid_request', param]);
  });

  test.each([
    [{ temperature: 3 }, 'The field `temperature` must be at most 2.'],
    [{ n: 2 }, 'The field `n` must be 1 here: this request has one answer.'],
    [
      { messages: [...messages, { role: 'assistant' }, { role: 'user' }] },
      'The field `messages[2]` needs content; only a message of the assistant may consist of tool calls.',
    ],
    [
      { messages: [{ role: 'user', content: [{ type: 'text' }] }] },
      'The field `messages[0].content[0]` must be {"type": "text", "text": …} or {"type": "image_url", "image_url": {"url": …}}.',
    ],
    [
      {
        messages: [
          { role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://a/b.png' } }] },
        ],
      },
      'The field `messages[0].content[0].image_url.url` must be an inline data: URI with the base64 of a png, jpeg, webp or gif; "https://a/b.png" is not fetched.',
    ],
    [{ stop: ['a', ''] }, 'The field `stop[1]` must have 1 to 1024 characters.'],
  ])('%j is refused with a sentence that says what is allowed', (fields, message) => {
    expect(() => chat(fields)).toThrow(expect.objectContaining({ message }));
  });

  test.each([
    [{ temperature: 3 }, 'temperature'],
    [{ top_p: 'x' }, 'top_p'],
    [{ seed: 0.5 }, 'seed'],
    [{ stop: [7] }, 'stop'],
  ])('%j is refused before a provider is asked', (fields, param) => {
    expect(
      codeOf(() => forwardedRequest(chat(fields), { maxOutputTokens: 10, cacheScope: 's' })),
    ).toEqual(['invalid_request', param]);
  });

  test('a field that identifies the caller, is for the coordinator, or is unknown stays here', () => {
    const intent = chat({
      user: 'me',
      metadata: { a: 'b' },
      stream: true,
      n: 1,
      max_completion_tokens: 7,
      response_format: { type: 'text' },
      unknown: 'x',
    });
    expect(intent.maxOutputTokens).toBe(7);
    expect(forwardedRequest(intent, { maxOutputTokens: 7, cacheScope: 's' }).chat).toEqual({
      messages,
      max_tokens: 7,
      response_format: { type: 'text' },
    });
  });

  test('no tokenizer makes more tokens of a prompt than the bound', () => {
    const intent = chat({ messages: [{ role: 'user', content: '🦙'.repeat(10) }] });
    expect(intent.promptBound).toBeGreaterThanOrEqual(40);
    expect(intent.promptEstimate).toBeLessThan(intent.promptBound);
  });
});

test('a schema that is null is not forwarded, because providers refuse it', () => {
  const intent = chat({
    tools: [{ type: 'function', function: { name: 'look', parameters: null } }],
    response_format: { type: 'json_schema', json_schema: { name: 'x', schema: null } },
  });
  expect(forwardedRequest(intent, { maxOutputTokens: 7, cacheScope: 's' }).chat).toMatchObject({
    tools: [{ type: 'function', function: { name: 'look' } }],
    response_format: { type: 'json_schema', json_schema: { name: 'x' } },
  });
  expect(
    JSON.stringify(forwardedRequest(intent, { maxOutputTokens: 7, cacheScope: 's' })),
  ).not.toContain('null');
});
