import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cacheFolder } from '#provider';
import { npmPackages } from '#testcontainers';
import { expectedText, startTestNetwork, type TestNetwork } from '../test-network.ts';

/**
 * n8n 2.40 and 2.41 call models with this client, in these versions. n8n itself has 2.8 GB and is
 * tested by `npm run large-clients`. This test creates the client with the fields that n8n's node
 * "OpenAI Chat Model" passes to it.
 */
const CLIENT = '@langchain/openai@1.4.4';
const CORE = '@langchain/core@1.2.8';
const folder = join(cacheFolder(process.env), 'n8n-client-1.4.4-1.2.8');

async function whyNot(): Promise<string | undefined> {
  try {
    await npmPackages(folder, [CLIENT, CORE]);
    return undefined;
  } catch (error) {
    return `${CLIENT} cannot be installed: ${String(error).split('\n').at(-2)?.slice(0, 120)}`;
  }
}
const reason = await whyNot();

describe.skipIf(reason !== undefined)(`the chat model of n8n (${reason ?? CLIENT})`, () => {
  let network: TestNetwork;
  let ChatOpenAI: typeof import('@langchain/openai').ChatOpenAI;
  beforeAll(async () => {
    ({ ChatOpenAI } = await import(join(folder, 'node_modules/@langchain/openai/dist/index.js')));
    network = await startTestNetwork({ providers: 1, tokenMs: 0 });
  });
  afterAll(async () => {
    await network.expectMoneyBalances();
    await network[Symbol.asyncDispose]();
  });

  const question = 'Why is the sky blue?';
  const text = expectedText([{ role: 'user', content: question }], 9);
  const weather = {
    type: 'function' as const,
    function: {
      name: 'weather',
      parameters: { type: 'object', properties: { city: { type: 'string' } } },
    },
  };

  /** The chat model with the fields that the node sets; `options` are those of its form. */
  const chatModel = (options: object = {}) =>
    new ChatOpenAI({
      apiKey: network.apiKey,
      model: 'sim',
      maxTokens: 9,
      maxRetries: 2,
      timeout: 60_000,
      configuration: { baseURL: `${network.url}/v1`, defaultHeaders: {} },
      supportsStrictToolCalling: false,
      ...options,
    });

  test('answers through the Responses API, which is the default of the node', async () => {
    const model = chatModel({
      useResponsesApi: true,
      // Options of the form that are not filled in are undefined.
      modelKwargs: {
        prompt_cache_key: undefined,
        safety_identifier: undefined,
        service_tier: undefined,
        top_logprobs: undefined,
      },
    });
    expect((await model.invoke(question)).text).toBe(text);
    const called = await chatModel({ useResponsesApi: true, maxTokens: 200 })
      .bindTools([weather])
      .invoke(question);
    expect(called.tool_calls).toMatchObject([{ name: 'weather', args: { city: 'river' } }]);
  });

  test('answers through chat completions, with all options of the form', async () => {
    const model = chatModel({
      // The simulated model thinks first if a reasoning effort is set.
      maxTokens: 200,
      frequencyPenalty: 0.1,
      presencePenalty: 0.1,
      temperature: 0.7,
      topP: 0.9,
      modelKwargs: { response_format: { type: 'text' }, reasoning_effort: 'low' },
    });
    expect((await model.invoke(question)).text).not.toBe('');
    const json = chatModel({
      maxTokens: 500,
      modelKwargs: { response_format: { type: 'json_object' } },
    });
    expect(JSON.parse((await json.invoke(`${question} Answer in JSON.`)).text)).toBeTypeOf(
      'object',
    );
    const called = await chatModel({ maxTokens: 200 }).bindTools([weather]).invoke(question);
    expect(called.tool_calls).toMatchObject([{ name: 'weather', args: { city: 'river' } }]);
  });

  test('streams', async () => {
    let streamed = '';
    for await (const chunk of await chatModel().stream(question)) streamed += chunk.text;
    expect(streamed).toBe(text);
  });
});
