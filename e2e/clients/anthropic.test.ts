import Anthropic from '@anthropic-ai/sdk';
import { jsonSchemaOutputFormat } from '@anthropic-ai/sdk/helpers/json-schema';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { expectedText, startTestNetwork, type TestNetwork } from '../test-network.ts';

let network: TestNetwork;
let anthropic: Anthropic;

beforeAll(async () => {
  network = await startTestNetwork({ providers: 1, tokenMs: 2 });
  // This SDK sends the key in the header x-api-key.
  anthropic = new Anthropic({ baseURL: network.url, apiKey: network.apiKey, maxRetries: 0 });
});
afterEach(() => network.expectMoneyBalances());
afterAll(() => network[Symbol.asyncDispose]());

/** Answers of 2,000 tokens take a minute on a busy machine. */
const PATIENCE = { timeout: 240_000 };
const messages = [{ role: 'user' as const, content: 'Why is the sky blue?' }];
const tools = ['weather', 'tides'].map((name) => ({
  name,
  input_schema: { type: 'object' as const, properties: { city: { type: 'string' } } },
}));

test('gets a whole message with its usage', async () => {
  const message = await anthropic.messages.create({
    model: 'sim',
    max_tokens: 9,
    messages,
    system: [{ type: 'text', text: 'Be brief.' }],
  });
  expect(message).toMatchObject({
    type: 'message',
    role: 'assistant',
    model: 'sim',
    stop_reason: 'max_tokens',
    usage: { output_tokens: 9 },
  });
  expect(message.content).toEqual([
    {
      type: 'text',
      text: expectedText([{ role: 'system', content: 'Be brief.' }, ...messages], 9),
    },
  ]);
});

test('gets the same message as a stream that the SDK assembles', async () => {
  const stream = anthropic.messages.stream({ model: 'sim', max_tokens: 9, messages });
  let text = '';
  stream.on('text', (piece) => {
    text += piece;
  });
  const inputTokens: number[] = [];
  stream.on('streamEvent', (event) => {
    if (event.type === 'message_start') inputTokens.push(event.message.usage.input_tokens);
  });
  const final = await stream.finalMessage();
  expect(inputTokens).toEqual([final.usage.input_tokens]);
  expect(text).toBe(expectedText(messages, 9));
  expect(final).toMatchObject({ stop_reason: 'max_tokens', usage: { output_tokens: 9 } });
});

test('gets tool calls, streamed and whole, and sends their results', async () => {
  const whole = await anthropic.messages.create({ model: 'sim', max_tokens: 200, messages, tools });
  const streamed = await anthropic.messages
    .stream({ model: 'sim', max_tokens: 200, messages, tools })
    .finalMessage();
  const uses = [
    expect.objectContaining({ type: 'tool_use', name: 'weather', input: { city: 'river' } }),
    expect.objectContaining({ name: 'tides', input: { city: 'river' } }),
  ];
  expect(whole).toMatchObject({ stop_reason: 'tool_use', content: uses });
  expect(streamed).toMatchObject({ stop_reason: 'tool_use', content: uses });
  const results = whole.content.map((block) => ({
    type: 'tool_result' as const,
    tool_use_id: block.type === 'tool_use' ? block.id : '',
    content: 'rain',
  }));
  const answer = await anthropic.messages.create({
    model: 'sim',
    max_tokens: 5,
    tools,
    messages: [
      ...messages,
      { role: 'assistant', content: whole.content },
      { role: 'user', content: results },
    ],
  });
  expect(answer.content).toMatchObject([{ type: 'text' }]);
});

test('gets a call of the tool that tool_choice forces', async () => {
  const message = await anthropic.messages.create({
    model: 'sim',
    max_tokens: 200,
    messages,
    tools,
    tool_choice: { type: 'tool', name: 'tides' },
  });
  expect(message.content).toMatchObject([{ type: 'tool_use', name: 'tides' }]);
});

test('gets thinking blocks if it asks for them', PATIENCE, async () => {
  const thinking = { type: 'enabled' as const, budget_tokens: 1_024 };
  const final = await anthropic.messages
    .stream({ model: 'sim', max_tokens: 2_000, messages, thinking })
    .finalMessage();
  expect(final.content).toMatchObject([
    {
      type: 'thinking',
      thinking: expect.stringMatching(/./),
      signature: expect.stringMatching(/./),
    },
    { type: 'text' },
  ]);
  // The blocks go back with the next request, as agents send them.
  const next = await anthropic.messages.create({
    model: 'sim',
    max_tokens: 5,
    messages: [
      ...messages,
      { role: 'assistant', content: final.content },
      { role: 'user', content: 'And at night?' },
    ],
  });
  expect(next.usage.output_tokens).toBe(5);
});

test('does not get the text of its thinking if it asks to omit it', PATIENCE, async () => {
  const body = {
    model: 'sim',
    max_tokens: 2_000,
    messages,
    thinking: { type: 'adaptive' as const, display: 'omitted' as const },
  };
  const omitted = [{ type: 'thinking', thinking: '' }, { type: 'text' }];
  expect((await anthropic.messages.create(body)).content).toMatchObject(omitted);
  expect((await anthropic.messages.stream(body).finalMessage()).content).toMatchObject(omitted);
});

test('sends instructions inside the conversation, as Claude Code does', async () => {
  const later = { role: 'system' as const, content: 'Answer in one word.' };
  const message = await anthropic.beta.messages.create({
    model: 'sim',
    max_tokens: 9,
    messages: [...messages, later],
  });
  expect(message.content).toEqual([
    expect.objectContaining({ text: expectedText([...messages, later], 9) }),
  ]);
});

test('runs tools with the runner of the SDK, which first tries a stored thread', async () => {
  const calls: unknown[] = [];
  const runner = anthropic.beta.messages.toolRunner({
    model: 'sim',
    max_tokens: 200,
    messages,
    tools: [
      {
        ...tools[0],
        name: 'weather',
        input_schema: { type: 'object', properties: { city: { type: 'string' } } },
        run: (input: unknown) => {
          calls.push(input);
          return 'rain';
        },
        parse: (input: unknown) => input,
      },
    ],
    max_iterations: 3,
  });
  const last = await runner.runUntilDone();
  expect(calls).toEqual([{ city: 'river' }]);
  expect(last.content).toMatchObject([{ type: 'text' }]);
});

test('parses an answer of a JSON schema', async () => {
  const message = await anthropic.messages.parse({
    model: 'sim',
    max_tokens: 500,
    messages,
    output_config: {
      format: jsonSchemaOutputFormat({
        type: 'object',
        properties: { colour: { type: 'string' } },
        required: ['colour'],
        additionalProperties: false,
      }),
    },
  });
  expect(message.parsed_output).toEqual({ colour: expect.any(String) });
});

test('counts the tokens of a prompt', async () => {
  const count = (content: string) =>
    anthropic.messages.countTokens({ model: 'sim', messages: [{ role: 'user', content }] });
  const [short, long] = [await count('word '), await count('word '.repeat(400))];
  expect(long.input_tokens - short.input_tokens).toBeGreaterThan(300);
  await expect(anthropic.messages.countTokens({ model: 'none', messages })).rejects.toBeInstanceOf(
    Anthropic.NotFoundError,
  );
});

test('lists the models', async () => {
  const { data: models } = await anthropic.models.list();
  expect(models).toContainEqual(
    expect.objectContaining({
      type: 'model',
      id: 'sim',
      created_at: expect.stringMatching(/^\d{4}-/),
      max_input_tokens: expect.any(Number),
    }),
  );
});

test('gets an error that it understands on a path without a route', async () => {
  const error = await anthropic.get('/v1/messages/no-such-route').then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(Anthropic.NotFoundError);
  expect(error).toMatchObject({ error: { type: 'error', error: { type: 'not_found_error' } } });
});

test('gets the stop sequence that ended the answer', async () => {
  const stop = expectedText(messages, 30).slice(10, 14);
  const message = await anthropic.messages.create({
    model: 'sim',
    max_tokens: 30,
    messages,
    stop_sequences: [stop],
  });
  expect(message).toMatchObject({ stop_reason: 'stop_sequence', stop_sequence: stop });
});

test('can abort a stream', async () => {
  const stream = anthropic.messages.stream({ model: 'sim', max_tokens: 5_000, messages });
  let pieces = 0;
  stream.on('text', () => {
    pieces += 1;
    if (pieces === 3) stream.abort();
  });
  await expect(stream.finalMessage()).rejects.toBeInstanceOf(Anthropic.APIUserAbortError);
});

test.each([
  [
    'a wrong key',
    { apiKey: 'sk-db-wrong' },
    {},
    Anthropic.AuthenticationError,
    'authentication_error',
  ],
  ['an unknown model', {}, { model: 'none' }, Anthropic.NotFoundError, 'not_found_error'],
  [
    'a remote image',
    {},
    {
      messages: [
        {
          role: 'user',
          content: [{ type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } }],
        },
      ],
    },
    Anthropic.BadRequestError,
    'invalid_request_error',
  ],
])('throws its own error class for %s', async (_, options, fields, errorClass, type) => {
  const client = new Anthropic({
    baseURL: network.url,
    apiKey: network.apiKey,
    maxRetries: 0,
    ...options,
  });
  const error = await client.messages
    .create({ model: 'sim', max_tokens: 5, messages, ...(fields as object) })
    .then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
  expect(error).toBeInstanceOf(errorClass);
  expect(error).toMatchObject({
    error: { type: 'error', error: { type }, request_id: expect.stringMatching(/^req_/) },
  });
});
