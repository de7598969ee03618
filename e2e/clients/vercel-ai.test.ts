import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateObject, generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { expectedText, startTestNetwork, type TestNetwork } from '../test-network.ts';

let network: TestNetwork;
let provider: ReturnType<typeof createOpenAICompatible>;

beforeAll(async () => {
  network = await startTestNetwork({ providers: 1, tokenMs: 2 });
  provider = createOpenAICompatible({
    name: 'd-inference',
    baseURL: `${network.url}/v1`,
    apiKey: network.apiKey,
    includeUsage: true,
    supportsStructuredOutputs: true,
  });
});
afterEach(() => network.expectMoneyBalances());
afterAll(() => network[Symbol.asyncDispose]());

const prompt = 'Why is the sky blue?';
// This SDK sends a prompt that consists of text only as a string.
const expected = (maxTokens: number) =>
  expectedText([{ role: 'user', content: prompt }], maxTokens);

test('gets a whole text with its usage', async () => {
  const { text, usage, finishReason } = await generateText({
    model: provider('sim'),
    prompt,
    maxOutputTokens: 9,
    maxRetries: 0,
  });
  expect(text).toBe(expected(9));
  expect(finishReason).toBe('length');
  expect(usage.outputTokens).toBe(9);
});

test('gets a stream with its usage', async () => {
  const result = streamText({ model: provider('sim'), prompt, maxOutputTokens: 9, maxRetries: 0 });
  let text = '';
  for await (const piece of result.textStream) text += piece;
  expect(text).toBe(expected(9));
  expect((await result.usage).outputTokens).toBe(9);
});

test('runs tools and gets an answer to their results', async () => {
  const weather = tool({
    inputSchema: jsonSchema<{ city: string }>({
      type: 'object',
      properties: { city: { type: 'string' } },
    }),
    execute: async ({ city }) => `rain in ${city}`,
  });
  const { steps, text } = await generateText({
    model: provider('sim'),
    prompt,
    tools: { weather },
    stopWhen: stepCountIs(2),
    maxOutputTokens: 60,
    maxRetries: 0,
  });
  expect(steps[0]?.toolResults).toMatchObject([{ toolName: 'weather', output: 'rain in river' }]);
  expect(text).not.toBe('');
});

test('gets an object that fits a schema', async () => {
  const schema = jsonSchema<{ city: string }>({
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
  });
  const { object } = await generateObject({
    model: provider('sim'),
    schema,
    prompt,
    maxRetries: 0,
  });
  expect(object).toEqual({ city: 'river' });
});

test('gets an error with its status', async () => {
  await expect(
    generateText({ model: provider('none'), prompt, maxRetries: 0 }),
  ).rejects.toMatchObject({ statusCode: 404, isRetryable: false });
});
