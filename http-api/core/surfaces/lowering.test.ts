import { describe, expect, test } from 'vitest';
import { ApiError } from '../../errors.ts';
import { pngUri } from '../images/images-under-test.ts';
import { introspectChat, TOKENS_PER_IMAGE } from '../introspect.ts';
import type { JsonObject } from '../json.ts';
import { completions } from './completions.ts';
import { messages } from './messages.ts';
import { responses } from './responses.ts';
import { lowerRequest, type Surface } from './surface.ts';

const lowered = (surface: Surface, body: JsonObject) =>
  introspectChat(lowerRequest(surface, { model: 'sim', ...body }).chat).body;
const refusal = (surface: Surface, body: JsonObject) => {
  try {
    lowered(surface, body);
  } catch (error) {
    if (error instanceof ApiError) return [error.code, error.param];
    throw error;
  }
  return undefined;
};
const image = { type: 'image_url', image_url: { url: pngUri() } };
const tool = {
  type: 'function',
  function: { name: 'f', description: '', parameters: { type: 'object' } },
};

describe('the Responses API', () => {
  test('is lowered to a conversation', () => {
    const body = lowered(responses, {
      instructions: 'Be brief.',
      input: [
        { role: 'developer', content: 'And kind.' },
        {
          type: 'message',
          role: 'user',
          content: [
            { type: 'input_text', text: 'Look' },
            { type: 'input_image', image_url: image.image_url.url },
          ],
        },
        { type: 'reasoning', summary: [] },
        { type: 'function_call', call_id: 'a', name: 'f', arguments: '{}' },
        { type: 'function_call', call_id: 'b', name: 'f', arguments: '{}' },
        { type: 'function_call_output', call_id: 'a', output: 'one' },
      ],
      max_output_tokens: 5,
      tools: [{ type: 'function', name: 'f', strict: null, parameters: { type: 'object' } }],
      tool_choice: { type: 'function', name: 'f' },
      text: { format: { type: 'json_schema', name: 'x', schema: {} } },
      reasoning: { effort: 'low' },
    });
    const call = (id: string) => ({
      id,
      type: 'function',
      function: { name: 'f', arguments: '{}' },
    });
    expect(body['messages']).toEqual([
      { role: 'system', content: 'Be brief.' },
      { role: 'system', content: 'And kind.' },
      { role: 'user', content: [{ type: 'text', text: 'Look' }, image] },
      { role: 'assistant', content: null, tool_calls: [call('a'), call('b')] },
      { role: 'tool', tool_call_id: 'a', content: 'one' },
    ]);
    expect(body).toMatchObject({
      max_output_tokens: 5,
      tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }],
      tool_choice: { type: 'function', function: { name: 'f' } },
      response_format: { type: 'json_schema', json_schema: { name: 'x', schema: {} } },
      reasoning_effort: 'low',
    });
  });

  test.each<[JsonObject, string]>([
    [{}, 'input'],
    [{ input: [] }, 'input'],
    [{ input: [{ type: 'file_search_call' }] }, 'input'],
    [{ input: [{ role: 'user', content: [{ type: 'input_file', file_id: 'x' }] }] }, 'input'],
    [
      {
        input: [
          {
            role: 'user',
            content: [{ type: 'input_image', image_url: 'https://example.com/a.png' }],
          },
        ],
      },
      'messages',
    ],
    [{ input: 'x', instructions: 7 }, 'instructions'],
    [{ input: 'x', tools: [{ type: 'web_search' }] }, 'tools'],
    [{ input: 'x', store: true }, 'store'],
    [{ input: 'x', previous_response_id: 'resp_1' }, 'previous_response_id'],
    [{ input: 'x', background: true }, 'background'],
    [{ input: 'x', conversation: 'c' }, 'conversation'],
  ])('refuses %j by its field', (body, param) => {
    expect(refusal(responses, body)).toEqual(['invalid_request', param]);
  });
});

describe('the Messages API', () => {
  test('is lowered to a conversation with the results of tools in order', () => {
    const body = lowered(messages, {
      max_tokens: 5,
      system: [
        { type: 'text', text: 'a' },
        { type: 'text', text: 'b' },
      ],
      messages: [
        { role: 'user', content: 'Hi' },
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: '…' },
            { type: 'text', text: 'Wait' },
            { type: 'tool_use', id: 'a', name: 'f', input: { x: 1 } },
          ],
        },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'before' },
            { type: 'tool_result', tool_use_id: 'a', content: [{ type: 'text', text: 'one' }] },
            { type: 'text', text: 'after' },
          ],
        },
      ],
      tools: [{ name: 'f', input_schema: { type: 'object' } }],
      tool_choice: { type: 'any', disable_parallel_tool_use: true },
      stop_sequences: ['x'],
      thinking: { type: 'enabled', budget_tokens: 1_024 },
    });
    expect(body['messages']).toEqual([
      { role: 'system', content: 'a\nb' },
      { role: 'user', content: 'Hi' },
      {
        role: 'assistant',
        content: 'Wait',
        reasoning_content: '…',
        tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{"x":1}' } }],
      },
      { role: 'user', content: [{ type: 'text', text: 'before' }] },
      { role: 'tool', tool_call_id: 'a', content: 'one' },
      { role: 'user', content: [{ type: 'text', text: 'after' }] },
    ]);
    expect(body).toMatchObject({
      tools: [tool],
      tool_choice: 'required',
      parallel_tool_calls: false,
      stop: ['x'],
      reasoning_effort: 'medium',
    });
    for (const field of ['system', 'stop_sequences', 'thinking'])
      expect(body).not.toHaveProperty(field);
  });

  test.each<[JsonObject, string]>([
    [{ messages: [{ role: 'user', content: 'x' }] }, 'max_tokens'],
    [{ max_tokens: 5 }, 'messages'],
    [{ max_tokens: 5, messages: [{ role: 'developer', content: 'x' }] }, 'messages'],
    [{ max_tokens: 5, messages: [{ role: 'user', content: [{ type: 'document' }] }] }, 'messages'],
    [
      {
        max_tokens: 5,
        messages: [
          {
            role: 'user',
            content: [{ type: 'image', source: { type: 'url', url: 'https://example.com' } }],
          },
        ],
      },
      'messages',
    ],
    [
      {
        max_tokens: 5,
        messages: [{ role: 'user', content: 'x' }],
        tools: [{ type: 'bash_20250124', name: 'bash' }],
      },
      'tools',
    ],
    [
      { max_tokens: 5, messages: [{ role: 'user', content: 'x' }], tool_choice: 'auto' },
      'tool_choice',
    ],
    [{ max_tokens: 5, messages: [{ role: 'user', content: 'x' }], thinking: true }, 'thinking'],
  ])('refuses %j by its field', (body, param) => {
    expect(refusal(messages, body)).toEqual(['invalid_request', param]);
  });
});

describe('a later system message of the Messages API', () => {
  const conversation = (...list: JsonObject[]) =>
    lowered(messages, { max_tokens: 5, messages: list })['messages'];
  const user = (content: string) => ({ role: 'user', content });

  test('stays at its place', () => {
    const later = { role: 'system', content: [{ type: 'text', text: 'Be brief.' }] };
    expect(conversation(user('a'), later, user('b'))).toEqual([
      user('a'),
      { role: 'system', content: 'Be brief.' },
      user('b'),
    ]);
  });

  test('for one turn is left out once a message of the user follows', () => {
    const later = { role: 'system', content: 'Now.', clear_at: 'next_user_message' };
    expect(conversation(user('a'), later)).toContainEqual({ role: 'system', content: 'Now.' });
    expect(conversation(user('a'), later, user('b'))).toEqual([user('a'), user('b')]);
  });

  test('changes the effort of the reasoning', () => {
    const body = lowered(messages, {
      max_tokens: 5,
      thinking: { type: 'enabled', budget_tokens: 1_024 },
      output_config: { effort: 'low' },
      messages: [user('a'), { role: 'system', output_config: { effort: 'max' } }],
    });
    expect(body).toMatchObject({ reasoning_effort: 'xhigh', messages: [user('a')] });
  });
});

describe('tools of the Messages API', () => {
  const named = (name: string, fields: JsonObject = {}) => ({
    name,
    input_schema: { type: 'object' },
    ...fields,
  });
  const namesOf = (tools: JsonObject[], list: JsonObject[]) => {
    const body = lowered(messages, { max_tokens: 5, tools, messages: list });
    return ((body['tools'] ?? []) as { function: { name: string } }[]).map(
      ({ function: { name } }) => name,
    );
  };
  const user = { role: 'user', content: 'x' };
  const deferred = [named('search'), named('weather', { defer_loading: true })];

  test('with defer_loading are hidden until the result of a search refers to them', () => {
    const found = {
      type: 'tool_result',
      tool_use_id: 'a',
      content: [{ type: 'tool_reference', tool_name: 'weather' }],
    };
    expect(namesOf(deferred, [user])).toEqual(['search']);
    expect(namesOf(deferred, [{ role: 'user', content: [found] }])).toEqual(['search', 'weather']);
  });

  test('are added and removed by later system messages', () => {
    const change = (type: string, tool: JsonObject) => ({
      role: 'system',
      content: [{ type, tool }],
    });
    const reference = (name: string) => ({ type: 'tool_reference', name });
    const definition = { type: 'tool_definition', definition: named('tides') };
    expect(
      namesOf(deferred, [
        user,
        change('tool_addition', reference('weather')),
        change('tool_removal', reference('search')),
        change('tool_addition', definition),
      ]),
    ).toEqual(['weather', 'tides']);
  });

  test('must exist to be added', () => {
    const addition = { type: 'tool_addition', tool: { type: 'tool_reference', name: 'none' } };
    const body = { max_tokens: 5, messages: [user, { role: 'system', content: [addition] }] };
    expect(refusal(messages, body)).toEqual(['invalid_request', 'messages']);
  });

  test('return errors and images', () => {
    const source = { type: 'base64', media_type: 'image/png', data: pngUri().split(',')[1] };
    const result = {
      type: 'tool_result',
      tool_use_id: 'a',
      is_error: true,
      content: [
        { type: 'text', text: 'broken' },
        { type: 'image', source },
      ],
    };
    const body = lowered(messages, {
      max_tokens: 5,
      messages: [{ role: 'user', content: [result] }],
    });
    expect(body['messages']).toEqual([
      { role: 'tool', tool_call_id: 'a', content: 'Error: broken' },
      { role: 'user', content: [image] },
    ]);
  });
});

describe('a request of the Messages API', () => {
  const body = (fields: JsonObject) => ({
    model: 'sim',
    max_tokens: 5,
    messages: [{ role: 'user', content: 'x' }],
    ...fields,
  });
  const format = { type: 'json_schema', schema: { type: 'object' } };

  test.each([
    ['output_config', { output_config: { format } }],
    ['output_format', { output_format: format }],
  ])('gets an answer of its schema through %s', (_field, fields) => {
    expect(lowered(messages, body(fields))).toMatchObject({
      response_format: { type: 'json_schema', json_schema: { schema: { type: 'object' } } },
    });
  });

  test('with adaptive thinking can be answered by a model without reasoning', () => {
    const requires = (type: string) =>
      introspectChat(lowerRequest(messages, body({ thinking: { type } })).chat).requires;
    expect(requires('adaptive')).toEqual([]);
    expect(requires('enabled')).toEqual(['reasoning']);
  });

  test('that ends with a message of the assistant is continued', () => {
    const prefilled = (content: unknown) =>
      body({
        messages: [
          { role: 'user', content: 'x' },
          { role: 'assistant', content },
        ],
      });
    expect(lowered(messages, prefilled('The answer is'))).toMatchObject({
      continue_final_message: true,
    });
    const call = { type: 'tool_use', id: 'a', name: 'f', input: {} };
    expect(refusal(messages, prefilled([call]))).toEqual(['invalid_request', 'messages']);
  });

  test('with a thread is refused in the way that makes SDKs send the whole conversation', () => {
    const request = body({ thread: { type: 'continue', previous_message_id: 'msg_1' } });
    expect(() => lowerRequest(messages, request)).toThrow(
      expect.objectContaining({
        status: 400,
        details: { error_code: 'thread_unsupported_request', unsupported: ['thread'] },
      }),
    );
  });
});

describe('the legacy completions', () => {
  test('are lowered to a message of the user', () => {
    expect(
      lowered(completions, { prompt: ['Hi'], echo: false, best_of: 1, logprobs: 2 }),
    ).toMatchObject({
      messages: [{ role: 'user', content: 'Hi' }],
      logprobs: true,
      top_logprobs: 2,
    });
  });

  test.each<[JsonObject, string]>([
    [{}, 'prompt'],
    [{ prompt: ['a', 'b'] }, 'prompt'],
    [{ prompt: [1, 2] }, 'prompt'],
    [{ prompt: 'x', echo: true }, 'echo'],
    [{ prompt: 'x', suffix: 'y' }, 'suffix'],
    [{ prompt: 'x', logprobs: 9 }, 'logprobs'],
  ])('refuse %j by its field', (body, param) => {
    expect(refusal(completions, body)).toEqual(['invalid_request', param]);
  });
});

describe('the chat contract', () => {
  const chat = (fields: JsonObject) => {
    try {
      introspectChat({ model: 'sim', messages: [{ role: 'user', content: 'x' }], ...fields });
    } catch (error) {
      if (error instanceof ApiError) return error.param;
      throw error;
    }
    return undefined;
  };
  test.each<[JsonObject, string]>([
    [{ tools: 'all' }, 'tools'],
    [{ tools: [{ type: 'function', function: { name: 'has space' } }] }, 'tools'],
    [{ tools: [{ type: 'function', function: { name: 'f', parameters: 7 } }] }, 'tools'],
    [{ tool_choice: 'required' }, 'tool_choice'],
    [{ tool_choice: 'some', tools: [tool] }, 'tool_choice'],
    [{ tool_choice: { type: 'function', function: { name: 'g' } }, tools: [tool] }, 'tool_choice'],
    [{ response_format: { type: 'yaml' } }, 'response_format'],
    [{ response_format: { type: 'json_schema' } }, 'response_format'],
    [{ top_logprobs: 2 }, 'top_logprobs'],
    [{ logprobs: true, top_logprobs: 21 }, 'top_logprobs'],
    [{ logit_bias: { 5: 101 } }, 'logit_bias'],
    [{ reasoning_effort: 'endless' }, 'reasoning_effort'],
    [{ frequency_penalty: 3 }, 'frequency_penalty'],
    [{ messages: [{ role: 'tool', content: 'x' }] }, 'messages'],
    [{ messages: [{ role: 'assistant', tool_calls: [{}] }] }, 'messages'],
    [
      {
        messages: [
          {
            role: 'user',
            content: [{ type: 'image_url', image_url: { url: 'data:image/svg+xml;base64,AAAA' } }],
          },
        ],
      },
      'messages',
    ],
    [{ messages: [{ role: 'user', content: [{ type: 'video_url' }] }] }, 'messages'],
    [{ provider: { order: [] } }, 'provider'],
    [{ provider: { only: [] } }, 'provider'],
  ])('refuses %j by its field', (fields, param) => {
    expect(chat(fields)).toBe(param);
  });

  test('gives the required traits, and counts the tokens of tools and images', () => {
    const plain = introspectChat({
      model: 'sim',
      messages: [{ role: 'user', content: [{ type: 'text', text: 'x' }] }],
    });
    const seen = introspectChat({
      model: 'sim',
      tools: [tool],
      reasoning_effort: 'low',
      messages: [
        {
          role: 'user',
          content: [{ type: 'text', text: 'x' }, image],
        },
      ],
    });
    expect(plain.requires).toEqual([]);
    expect(seen.requires).toEqual(['tools', 'vision', 'reasoning']);
    expect(seen.promptEstimate).toBeLessThan(500);
    expect(seen.promptBound - plain.promptBound).toBeGreaterThan(TOKENS_PER_IMAGE);
  });
});
