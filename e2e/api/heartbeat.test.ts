import OpenAI from 'openai';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { startTestNetwork, type TestNetwork } from '../test-network.ts';

let network: TestNetwork;
beforeAll(async () => {
  network = await startTestNetwork({ providers: 1, tokenMs: 400, config: { heartbeatMs: 100 } });
});
afterEach(() => network.expectMoneyBalances());
afterAll(() => network[Symbol.asyncDispose]());

const body = {
  model: 'sim',
  messages: [{ role: 'user' as const, content: 'Hi' }],
  max_tokens: 3,
  stream: true as const,
};
const stream = (headers: Record<string, string> = {}) =>
  network.ask('POST', '/v1/chat/completions', { token: network.apiKey, headers, body });

test('comments are sent while a stream is silent, but none before the first content', async () => {
  const { text } = await stream();
  expect(text.startsWith('data: {')).toBe(true);
  expect(text.match(/^: still working$/gm)?.length).toBeGreaterThanOrEqual(2);
});

test('no comments are sent if the caller turns them off', async () => {
  expect((await stream({ 'x-dinf-heartbeat': 'off' })).text).not.toContain(': still');
});

test('the OpenAI client ignores the comments', async () => {
  const openai = new OpenAI({
    baseURL: `${network.url}/v1`,
    apiKey: network.apiKey,
    maxRetries: 0,
  });
  let chunks = 0;
  for await (const chunk of await openai.chat.completions.create(body))
    chunks += chunk.choices[0]?.delta.content ? 1 : 0;
  expect(chunks).toBe(3);
});
