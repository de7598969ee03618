import OpenAI from 'openai';
import type { ChatCompletionMessage } from 'openai/resources/chat/completions';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { pngUri } from '#http-api/core/images/images-under-test.ts';
import { simulatedModels } from '#simulator';
import { expectedText, startTestNetwork, type TestNetwork } from '../test-network.ts';

let network: TestNetwork;
let openai: OpenAI;

beforeAll(async () => {
  network = await startTestNetwork({ providers: 2, tokenMs: 2 });
  openai = network.openai();
});
afterEach(() => network.expectMoneyBalances());
afterAll(() => network[Symbol.asyncDispose]());

const messages = [{ role: 'user' as const, content: 'Why is the sky blue?' }];
const weatherTool = (name: string) => ({
  type: 'function' as const,
  function: {
    name,
    description: 'What it is like there',
    parameters: { type: 'object', properties: { city: { type: 'string' } } },
  },
});
const expected = (maxTokens: number) => expectedText(messages, maxTokens);

describe('the official client', () => {
  test('lists the models', async () => {
    const ids = [];
    for await (const model of openai.models.list()) ids.push(model.id);
    expect(ids).toContain('sim-llama-8b');
    await expect(openai.models.retrieve('sim-llama-8b')).resolves.toMatchObject({
      object: 'model',
    });
  });

  test('gets a whole answer with its usage', async () => {
    const answer = await openai.chat.completions.create({
      model: 'sim-llama-8b',
      messages,
      max_tokens: 12,
    });
    expect(answer.choices[0]?.message.content).toBe(expected(12));
    expect(answer.usage?.completion_tokens).toBeLessThanOrEqual(12);
    expect(answer.usage?.prompt_tokens).toBeGreaterThan(0);
  });

  test('gets the same answer as a stream, with one finish reason and the usage that it asked for', async () => {
    const stream = await openai.chat.completions.create({
      model: 'sim-llama-8b',
      messages,
      max_tokens: 12,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    const finishes = [];
    const usages = [];
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      if (chunk.choices[0]?.finish_reason) finishes.push(chunk.choices[0].finish_reason);
      if (chunk.usage) usages.push(chunk.usage);
    }
    expect(text).toBe(expected(12));
    expect(finishes).toHaveLength(1);
    expect(usages).toHaveLength(1);
  });

  test('receives exactly one [DONE], and no byte before the first content', async () => {
    const response = await fetch(`${network.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${network.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'sim-llama-8b', messages, max_tokens: 5, stream: true }),
    });
    const body = await response.text();
    expect(body.match(/data: \[DONE\]/g)).toHaveLength(1);
    expect(body.startsWith('data: {')).toBe(true);
    expect(JSON.parse(body.slice(6, body.indexOf('\n'))).choices[0].delta.content).not.toBe('');
    expect(body).not.toContain('"usage"');
  });

  test('can abort a stream', async () => {
    const abort = new AbortController();
    const stream = await openai.chat.completions.create(
      { model: 'sim-llama-8b', messages, max_tokens: 5_000, stream: true },
      { signal: abort.signal },
    );
    let chunks = 0;
    for await (const _ of stream) {
      chunks += 1;
      if (chunks === 3) abort.abort();
    }
    expect(chunks).toBeLessThan(100);
  });

  test.each([
    [
      'a wrong key',
      () => network.openai({ apiKey: 'sk-db-wrong' }).models.list(),
      OpenAI.AuthenticationError,
      401,
    ],
    [
      'an unknown model',
      () => openai.chat.completions.create({ model: 'none', messages }),
      OpenAI.NotFoundError,
      404,
    ],
    [
      'n = 9',
      () => openai.chat.completions.create({ model: 'sim-llama-8b', messages, n: 9 }),
      OpenAI.BadRequestError,
      400,
    ],
  ])('throws its own error class for %s', async (_, run, errorClass, status) => {
    const error = await run().then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(errorClass);
    expect(error).toMatchObject({ status, code: expect.any(String), type: expect.any(String) });
  });

  test('gets tool calls and sends their results', async () => {
    const tools = [weatherTool('weather'), weatherTool('tides')];
    const asked = await openai.chat.completions.create({ model: 'sim', messages, tools });
    const [choice] = asked.choices;
    expect(choice?.finish_reason).toBe('tool_calls');
    expect(
      choice?.message.tool_calls?.map(
        (call) => call.type === 'function' && JSON.parse(call.function.arguments),
      ),
    ).toEqual([{ city: 'river' }, { city: 'river' }]);
    const results = (choice?.message.tool_calls ?? []).map(({ id }) => ({
      role: 'tool' as const,
      tool_call_id: id,
      content: 'rain',
    }));
    const answer = await openai.chat.completions.create({
      model: 'sim',
      messages: [...messages, choice?.message as ChatCompletionMessage, ...results],
      tools,
      max_tokens: 8,
    });
    expect(answer.choices[0]?.message.content).not.toBe('');
  });

  test('assembles a stream of tool calls with its own helper', async () => {
    const final = await openai.chat.completions
      .stream({ model: 'sim', messages, tools: [weatherTool('weather'), weatherTool('tides')] })
      .finalChatCompletion();
    expect(final.choices[0]?.message.tool_calls).toMatchObject([
      {
        id: expect.stringMatching(/^call_/),
        function: { name: 'weather', arguments: '{"city":"river"}' },
      },
      { function: { name: 'tides', arguments: '{"city":"river"}' } },
    ]);
  });

  test('parses a structured output', async () => {
    const schema = {
      type: 'object',
      properties: { city: { type: 'string' }, warm: { type: 'boolean' } },
      required: ['city', 'warm'],
      additionalProperties: false,
    };
    const parsed = await openai.chat.completions.parse({
      model: 'sim',
      messages,
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'place', strict: true, schema },
      },
    });
    expect(parsed.choices[0]?.message.parsed).toEqual({ city: 'river', warm: true });
  });

  test('reads log probabilities and reasoning', async () => {
    const answer = await openai.chat.completions.create({
      model: 'sim',
      messages,
      max_tokens: 30,
      reasoning_effort: 'low',
      logprobs: true,
      top_logprobs: 2,
    });
    expect(answer.choices[0]?.logprobs?.content?.[0]).toMatchObject({
      logprob: -0.125,
      top_logprobs: [{}, {}],
    });
    expect(answer.usage?.completion_tokens_details?.reasoning_tokens).toBe(24);
    expect(answer.choices[0]?.message).toHaveProperty(
      'reasoning_content',
      expect.stringMatching(/./),
    );
  });

  test('can send an inline image to a vision model only', async () => {
    const parts = [
      { type: 'text' as const, text: 'What is this?' },
      { type: 'image_url' as const, image_url: { url: pngUri() } },
    ];
    const look = (model: string, url?: string) =>
      openai.chat.completions.create({
        model,
        max_tokens: 5,
        messages: [
          { role: 'user', content: url ? [{ type: 'image_url', image_url: { url } }] : parts },
        ],
      });
    expect((await look('sim-vision-7b')).choices[0]?.message.content).not.toBe('');
    await expect(look('sim')).rejects.toMatchObject({ status: 400, param: 'messages' });
    await expect(look('sim-vision-7b', 'https://example.com/a.png')).rejects.toThrow(
      /https:\/\/example\.com\/a\.png/,
    );
  });

  test('can use the legacy completions', async () => {
    const whole = await openai.completions.create({
      model: 'sim',
      prompt: 'Why?',
      max_tokens: 6,
      logprobs: 1,
    });
    let streamed = '';
    for await (const chunk of await openai.completions.create({
      model: 'sim',
      prompt: 'Why?',
      max_tokens: 6,
      stream: true,
    }))
      streamed += chunk.choices[0]?.text ?? '';
    expect(whole.choices[0]).toMatchObject({
      finish_reason: 'length',
      logprobs: { tokens: expect.any(Array) },
    });
    expect(streamed).toBe(whole.choices[0]?.text);
    expect(streamed).toBe(expectedText([{ role: 'user', content: 'Why?' }], 6));
  });

  test('gets headers with the provider and the timing', async () => {
    const { response } = await openai.chat.completions
      .create({ model: 'sim', messages, max_tokens: 3 })
      .withResponse();
    expect(response.headers.get('x-provider-id')).toMatch(/^A[A-Z2-7]{55}$/);
    expect(response.headers.get('x-provider-simulated')).toBe('true');
    expect(JSON.parse(response.headers.get('x-timing') ?? '')).toMatchObject({
      route_us: expect.any(Number),
      first_content_us: expect.any(Number),
    });
    expect(response.headers.get('x-request-id')).toMatch(/^req_/);
  });

  test('gets the reasons for the choice of its machine if it asks for them', async () => {
    const ask = async (headers = {}) => {
      const { response } = await openai.chat.completions
        .create({ model: 'sim', messages, max_tokens: 3, stream: true }, { headers })
        .withResponse();
      await response.body?.cancel();
      return response.headers;
    };
    expect((await ask()).has('x-dinf-routing')).toBe(false);
    const headers = await ask({ 'x-dinf-routing': 'on', origin: 'https://page.example' });
    expect(headers.get('access-control-expose-headers')).toBe('*');
    const choice = JSON.parse(headers.get('x-dinf-routing') ?? '');
    expect(choice).toEqual({
      provider: headers.get('x-provider-id'),
      build: headers.get('x-provider-build'),
      weights_sha256: null,
      trust_level: headers.get('x-provider-trust-level'),
      attempts: 1,
      queued_ms: expect.any(Number),
      expected_first_content_ms: expect.any(Number),
      terms_ms: expect.objectContaining({ load: 0, prefill: expect.any(Number) }),
      max_cost_micro_usd: expect.any(Number),
    });
  });

  test('is answered by the first of its models that works', async () => {
    const ask = (fields: object) =>
      openai.chat.completions
        .create({ model: 'nom', messages, max_tokens: 3, ...fields } as never)
        .withResponse();
    const [served] = simulatedModels;
    await network.network.putModels([{ ...served, id: 'unserved', builds: ['unserved'] } as never]);
    await vi.waitFor(
      () => expect(ask({ model: 'unserved' })).rejects.toMatchObject({ code: 'no_provider' }),
      { timeout: 20_000 },
    );
    const { data, response } = await ask({ models: ['unserved', 'sim:nitro'] });
    expect(data).toMatchObject({ model: 'sim', choices: [{ finish_reason: 'length' }] });
    expect(data.id).toBe(`chatcmpl-${response.headers.get('x-inference-job-id')}`);
    await expect(ask({ models: ['nom-2'] })).rejects.toMatchObject({ code: 'model_not_found' });
  });

  test('learns which of its fields have no effect, and which are unknown', async () => {
    const ask = (fields: object) =>
      openai.chat.completions
        .create({ model: 'sim', messages, max_tokens: 3, ...fields } as never)
        .withResponse();
    const { response } = await ask({ service_tier: 'flex', store: true });
    expect(response.headers.get('x-dinf-ignored')).toBe('service_tier, store');
    await expect(ask({ nom: 1 })).rejects.toMatchObject({
      status: 400,
      param: 'nom',
      message: '400 Unknown field `nom`.',
    });
  });

  test('is served only by the provider that it names', async () => {
    const [one] = network.providers;
    const ask = (provider: object) =>
      openai.chat.completions
        .create({ model: 'sim', messages, max_tokens: 2, provider } as never)
        .withResponse();
    for (let time = 0; time < 4; time += 1)
      expect((await ask({ only: [one?.id] })).response.headers.get('x-provider-id')).toBe(one?.id);
    expect((await ask({ ignore: [one?.id] })).response.headers.get('x-provider-id')).not.toBe(
      one?.id,
    );
    await expect(ask({ only: ['nobody'] })).rejects.toMatchObject({
      status: 400,
      param: 'provider',
    });
    await expect(ask({ zdr: true })).rejects.toMatchObject({ status: 400, param: 'provider' });
  });

  test('gets a 402 without a retry if its account has too little credit', async () => {
    const poor = await network.createKey({ creditMicroUsd: 1 });
    await expect(
      network
        .openai({ apiKey: poor.apiKey })
        .chat.completions.create({ model: 'sim-llama-8b', messages }),
    ).rejects.toMatchObject({
      status: 402,
      code: 'insufficient_quota',
    });
  });
});

describe('the official client, with the Responses API', () => {
  test('gets a whole answer', async () => {
    const answer = await openai.responses.create({
      model: 'sim',
      input: 'Why?',
      instructions: 'Be brief.',
      max_output_tokens: 7,
    });
    expect(answer).toMatchObject({
      object: 'response',
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
      instructions: 'Be brief.',
    });
    expect(answer.output_text).toBe(
      expectedText(
        [
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: 'Why?' },
        ],
        7,
      ),
    );
    expect(answer.usage?.total_tokens).toBe((answer.usage?.input_tokens ?? 0) + 7);
  });

  test('gets the same answer as a stream, numbered without a gap', async () => {
    const stream = openai.responses.stream({
      model: 'sim',
      input: 'Why?',
      max_output_tokens: 40,
      reasoning: { effort: 'low' },
    });
    const types: string[] = [];
    const numbers: number[] = [];
    for await (const event of stream) {
      types.push(event.type);
      numbers.push(event.sequence_number);
    }
    const final = await stream.finalResponse();
    const whole = await openai.responses.create({
      model: 'sim',
      input: 'Why?',
      max_output_tokens: 40,
      reasoning: { effort: 'low' },
    });
    expect(numbers).toEqual(numbers.map((_, index) => index));
    expect(types.slice(0, 3)).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
    ]);
    expect(types.at(-1)).toBe('response.incomplete');
    expect(final.output_text).toBe(whole.output_text);
    expect(final.output.map(({ type }) => type)).toEqual(['reasoning', 'message']);
    expect(final.usage?.output_tokens_details.reasoning_tokens).toBe(24);
  });

  test('gets function calls and sends their results', async () => {
    const tool = {
      type: 'function' as const,
      name: 'weather',
      strict: true,
      parameters: {
        ...weatherTool('x').function.parameters,
        additionalProperties: false,
        required: ['city'],
      },
    };
    const stream = openai.responses.stream({ model: 'sim', input: 'Weather?', tools: [tool] });
    const final = await stream.finalResponse();
    const [call] = final.output;
    expect(call).toMatchObject({
      type: 'function_call',
      name: 'weather',
      arguments: '{"city":"river"}',
      status: 'completed',
    });
    if (call?.type !== 'function_call') throw new Error('no call');
    const answer = await openai.responses.create({
      model: 'sim',
      tools: [tool],
      max_output_tokens: 5,
      input: [
        { role: 'user', content: 'Weather?' },
        call,
        { type: 'function_call_output', call_id: call.call_id, output: 'rain' },
      ],
    });
    expect(answer.output_text).not.toBe('');
  });

  test('parses a structured output', async () => {
    const parsed = await openai.responses.parse({
      model: 'sim',
      input: 'Where?',
      text: {
        format: {
          type: 'json_schema',
          name: 'place',
          strict: true,
          schema: {
            type: 'object',
            properties: { city: { type: 'string' } },
            required: ['city'],
            additionalProperties: false,
          },
        },
      },
    });
    expect(parsed.output_parsed).toEqual({ city: 'river' });
  });

  test('gets an error for a previous_response_id that it has not stored', async () => {
    await expect(
      openai.responses.create({ model: 'sim', input: 'x', previous_response_id: 'resp_1' }),
    ).rejects.toMatchObject({
      status: 400,
      param: 'previous_response_id',
    });
  });
});
