import OpenAI from 'openai';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { expectedText, startTestNetwork, type TestNetwork } from './test-network.ts';

let network: TestNetwork;
let openai: OpenAI;

beforeAll(async () => {
  network = await startTestNetwork({ providers: 2, tokenMs: 2 });
  openai = network.openai();
});
afterEach(() => network.expectMoneyBalances());
afterAll(() => network[Symbol.asyncDispose]());

const messages = [{ role: 'user' as const, content: 'Why is the sky blue?' }];
const expected = (maxTokens: number) => expectedText(messages, maxTokens);

describe('the official client', () => {
  test('lists the models', async () => {
    const ids = [];
    for await (const model of openai.models.list()) ids.push(model.id);
    expect(ids).toContain('sim-llama-8b');
    await expect(openai.models.retrieve('sim-llama-8b')).resolves.toMatchObject({ object: 'model' });
  });

  test('gets a whole answer with its usage', async () => {
    const answer = await openai.chat.completions.create({ model: 'sim-llama-8b', messages, max_tokens: 12 });
    expect(answer.choices[0]?.message.content).toBe(expected(12));
    expect(answer.usage?.completion_tokens).toBeLessThanOrEqual(12);
    expect(answer.usage?.prompt_tokens).toBeGreaterThan(0);
  });

  test('gets the same as a stream, with one [DONE] and the usage it asked for', async () => {
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

  test('sees exactly one [DONE], and no byte before the first content', async () => {
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

  test('aborts', async () => {
    const abort = new AbortController();
    const stream = await openai.chat.completions.create({ model: 'sim-llama-8b', messages, max_tokens: 5_000, stream: true }, { signal: abort.signal });
    let chunks = 0;
    for await (const _ of stream) {
      chunks += 1;
      if (chunks === 3) abort.abort();
    }
    expect(chunks).toBeLessThan(100);
  });

  test.each([
    ['a wrong key', () => network.openai({ apiKey: 'sk-db-wrong' }).models.list(), OpenAI.AuthenticationError, 401],
    ['an unknown model', () => openai.chat.completions.create({ model: 'none', messages }), OpenAI.NotFoundError, 404],
    ['n = 2', () => openai.chat.completions.create({ model: 'sim-llama-8b', messages, n: 2 }), OpenAI.BadRequestError, 400],
  ])('throws its own error class for %s', async (_, run, errorClass, status) => {
    const error = await run().then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(errorClass);
    expect(error).toMatchObject({ status, code: expect.any(String), type: expect.any(String) });
  });

  test('an empty purse is refused before any work, without a retry', async () => {
    const poor = await network.createKey({ creditMicroUsd: 1 });
    await expect(network.openai({ apiKey: poor.apiKey }).chat.completions.create({ model: 'sim-llama-8b', messages })).rejects.toMatchObject({
      status: 402,
      code: 'insufficient_quota',
    });
  });
});
