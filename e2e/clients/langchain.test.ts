import { type AIMessageChunk, HumanMessage, ToolMessage } from '@langchain/core/messages';
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { expectedText, startTestNetwork, type TestNetwork } from '../test-network.ts';

let network: TestNetwork;

beforeAll(async () => {
  network = await startTestNetwork({ providers: 1, tokenMs: 2 });
});
afterEach(() => network.expectMoneyBalances());
afterAll(() => network[Symbol.asyncDispose]());

const model = (fields: object = {}) =>
  new ChatOpenAI({
    model: 'sim',
    apiKey: network.apiKey,
    maxTokens: 40,
    maxRetries: 0,
    configuration: { baseURL: `${network.url}/v1` },
    ...fields,
  });
const question = 'Why is the sky blue?';
const expected = expectedText([{ role: 'user', content: question }], 40);

test('gets a whole message with its usage', async () => {
  const message = await model().invoke(question);
  expect(message.text).toBe(expected);
  expect(message.usage_metadata).toMatchObject({ output_tokens: 40 });
});

test('gets a stream with its usage', async () => {
  let whole: AIMessageChunk | undefined;
  for await (const chunk of await model().stream(question)) whole = whole?.concat(chunk) ?? chunk;
  expect(whole?.text).toBe(expected);
  expect(whole?.usage_metadata).toMatchObject({ output_tokens: 40 });
});

test('gets tool calls and sends their results', async () => {
  const weather = {
    type: 'function' as const,
    function: {
      name: 'weather',
      parameters: { type: 'object', properties: { city: { type: 'string' } } },
    },
  };
  const asked = await model().bindTools([weather]).invoke(question);
  expect(asked.tool_calls).toMatchObject([{ name: 'weather', args: { city: 'river' } }]);
  const result = new ToolMessage({
    content: 'rain',
    tool_call_id: asked.tool_calls?.[0]?.id ?? '',
  });
  const answer = await model().invoke([new HumanMessage(question), asked, result]);
  expect(answer.text).not.toBe('');
});

test('gets a structured output', async () => {
  const schema = {
    title: 'place',
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
  };
  expect(
    await model().withStructuredOutput(schema, { method: 'jsonSchema' }).invoke(question),
  ).toEqual({ city: 'river' });
});

test('gets a message through the Responses API', async () => {
  const message = await model({ useResponsesApi: true }).invoke(question);
  expect(message.text).toBe(expected);
});

test('gets vectors of texts', async () => {
  const embeddings = new OpenAIEmbeddings({
    model: 'sim-embed',
    apiKey: network.apiKey,
    maxRetries: 0,
    configuration: { baseURL: `${network.url}/v1` },
  });
  const vectors = await embeddings.embedDocuments(['one', 'two', 'three']);
  expect(vectors.map(({ length }) => length)).toEqual([64, 64, 64]);
  expect(await embeddings.embedQuery('two')).toEqual(vectors[1]);
});
