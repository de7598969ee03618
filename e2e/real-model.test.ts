import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { services } from '#bus-schemas';
import type { SupervisedProcess } from '#provider';
import { tinyAlias, tinyModel } from '#tiny-model';
import { startProviderProcess } from './provider-process.ts';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

let network: TestNetwork;
let provider: SupervisedProcess;
let readyLine = '';

/** Starts a provider as its owner would, with the default model. */
beforeAll(async () => {
  network = await startTestNetwork({ providers: 0, tokenMs: 2 });
  await network.network.putModels([tinyModel], [tinyAlias]);
  provider = await startProviderProcess(
    network,
    ['--token', await network.network.enrolToken()],
    (line) => {
      if (/ serves /.test(line)) readyLine ||= line;
    },
  );
  const { bus } = network.network.coordinator;
  await vi.waitFor(
    async () =>
      expect(
        (await bus.call(services.routing.fleet, {}, { timeoutMs: 5_000 })).providers,
      ).toMatchObject([{ state: 'resident' }]),
    {
      timeout: 20_000,
    },
  );
}, 180_000);

afterAll(async () => {
  await provider.stop();
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

const ask = (content: string, more: object = {}) =>
  network
    .openai()
    .chat.completions.create({ model: 'tiny', messages: [{ role: 'user', content }], ...more });

test('the provider prints which engine it uses', () => {
  expect(readyLine).toMatch(/serves dinf-tiny-4bit with (mlx|webgpu|cpu|reference)$/);
});

test.each([
  ['What is 12 + 30?', '42'],
  ['Spell stone backwards.', 'enots'],
  ['Count from 1 to 12.', '1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12'],
])('%s – %s', async (question, answer) => {
  const { choices, usage } = await ask(question);
  expect(choices[0]?.message.content).toBe(answer);
  expect(choices[0]?.finish_reason).toBe('stop');
  expect(usage?.completion_tokens).toBeGreaterThan(0);
});

test('a stream contains the same text as a whole answer', async () => {
  const stream = await network.openai().chat.completions.create({
    model: 'tiny',
    stream: true,
    messages: [{ role: 'user', content: 'Count from 1 to 12.' }],
  });
  let text = '';
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
  expect(text).toBe('1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12');
});

test('the billed tokens are the generated tokens', async () => {
  const { data, response } = await network
    .openai()
    .chat.completions.create({
      model: 'tiny',
      messages: [{ role: 'user', content: 'What is 12 + 30?' }],
    })
    .withResponse();
  const job = response.headers.get('x-inference-job-id') as string;
  await vi.waitFor(
    async () =>
      expect((await network.charges()).find((charge) => charge.job === job)).toMatchObject({
        outcome: 'settled',
        completionTokens: data.usage?.completion_tokens,
      }),
    { timeout: 10_000 },
  );
});

describe('tools', () => {
  const tools = [
    {
      type: 'function' as const,
      function: {
        name: 'get_weather',
        parameters: {
          type: 'object',
          properties: { city: { type: 'string' } },
          required: ['city'],
        },
      },
    },
  ];

  test('the model calls a tool and uses its result', async () => {
    const question = { role: 'user' as const, content: 'What is the weather in Oslo?' };
    const first = await network
      .openai()
      .chat.completions.create({ model: 'tiny', tools, messages: [question] });
    const message = first.choices[0]?.message;
    const [call] = message?.tool_calls ?? [];
    expect(call).toMatchObject({
      type: 'function',
      function: { name: 'get_weather', arguments: '{"city": "Oslo"}' },
    });
    expect(first.choices[0]?.finish_reason).toBe('tool_calls');
    const second = await network.openai().chat.completions.create({
      model: 'tiny',
      tools,
      messages: [
        question,
        message as NonNullable<typeof message>,
        { role: 'tool', tool_call_id: call?.id ?? '', content: '7 degrees, rainy' },
      ],
    });
    expect(second.choices[0]?.message.content).toBe('The result is 7 degrees, rainy');
  });
});

test('an answer fits the requested JSON schema', async () => {
  const schema = {
    type: 'object',
    properties: { name: { type: 'string' }, age: { type: 'integer' } },
    required: ['name', 'age'],
    additionalProperties: false,
  };
  const { choices } = await ask('Give me JSON with name Ada and age 36.', {
    response_format: { type: 'json_schema', json_schema: { name: 'person', schema } },
  });
  expect(JSON.parse(choices[0]?.message.content ?? '')).toEqual({ name: 'Ada', age: 36 });
});

describe('schemas that cannot be compiled', () => {
  const held = (schema: object) =>
    ask('What is 12 + 30?', {
      response_format: { type: 'json_schema', json_schema: { name: 'held', schema } },
    });
  const gates = async () => {
    const { bus } = network.network.coordinator;
    const { slots } = await bus.call(
      services.routing.explain,
      { promptTokens: 10, maxOutputTokens: 10 },
      { timeoutMs: 5_000 },
    );
    return slots.map(({ gate }) => gate);
  };

  test('are refused as an error of the client with the reason of the compiler, without a penalty for the machine', async () => {
    for (let time = 0; time < 8; time += 1) {
      await expect(held({ type: 'string', pattern: '(' })).rejects.toMatchObject({
        status: 422,
        code: 'invalid_schema',
        message: expect.stringContaining('The parenthesis is not closed.'),
      });
    }
    expect(await gates()).toEqual([undefined]);
    expect((await ask('What is 12 + 30?')).choices[0]?.message.content).toBe('42');
  });

  test('never reach a machine if they only refer to themselves', async () => {
    const { length: before } = await network.charges();
    for (let time = 0; time < 8; time += 1)
      await expect(held({ $ref: '#' })).rejects.toMatchObject({
        status: 422,
        code: 'invalid_schema',
      });
    expect(await network.charges()).toHaveLength(before);
    expect(await gates()).toEqual([undefined]);
  });

  test('are not quoted in any log or table', async () => {
    const pattern = 'a-secret-of-the-client(';
    await expect(held({ type: 'string', pattern, title: pattern })).rejects.toMatchObject({
      status: 422,
    });
    expect(network.logs()).not.toContain('a-secret-of-the-client');
    expect(await network.databaseHolds('a-secret-of-the-client')).toBe(false);
  });
});

test('a prompt that the same key has sent before is counted as cached', async () => {
  const content = `Say ${Array.from({ length: 30 }, (_, i) => `stone${i}`).join(' ')}`;
  await ask(content, { max_tokens: 3 });
  const { usage } = await ask(content, { max_tokens: 3 });
  expect(usage?.prompt_tokens_details?.cached_tokens).toBeGreaterThan(60);
});

test('of fifty concurrent questions at least 48 are answered correctly', async () => {
  const sums = Array.from({ length: 50 }, (_, i) => [10 + (i % 40), 50 - (i % 30)] as const);
  const answers = await Promise.all(
    sums.map(async ([a, b]) => (await ask(`What is ${a} + ${b}?`)).choices[0]?.message.content),
  );
  const right = answers.filter(
    (answer, i) => answer === String((sums[i]?.[0] ?? 0) + (sums[i]?.[1] ?? 0)),
  );
  expect(right.length).toBeGreaterThanOrEqual(48);
});
