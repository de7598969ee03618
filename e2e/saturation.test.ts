import { afterEach, describe, expect, test } from 'vitest';
import { readStream } from './read-stream.ts';
import { expectedText, startTestNetwork, type TestNetwork } from './test-network.ts';

let network: TestNetwork;
afterEach(async () => {
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

const messages = [{ role: 'user' as const, content: 'Is there room?' }];
const long = {
  model: 'sim-llama-8b',
  messages: [{ role: 'user', content: 'Take your time.' }],
  max_tokens: 60,
};
const short = { model: 'sim-llama-8b', messages, max_tokens: 5 };

describe('every slot is taken', () => {
  test('without a queue: the answer is a 429 with Retry-After, and the official client waits and then succeeds', async () => {
    network = await startTestNetwork({
      providers: 1,
      tokenMs: 20,
      maxConcurrency: 1,
      config: { queueDepth: 0 },
    });
    const holding = readStream(network, long);
    await network.servingProvider();

    const refused = await network
      .openai()
      .chat.completions.create(short)
      .asResponse()
      .catch((error: unknown) => error);
    expect(refused).toMatchObject({ status: 429, code: 'saturated', type: 'rate_limit_exceeded' });
    expect(
      Number((refused as { headers: Headers }).headers.get('retry-after')),
    ).toBeGreaterThanOrEqual(1);

    const startedAt = performance.now();
    const answer = await network.openai({ maxRetries: 3 }).chat.completions.create(short);
    expect(answer.choices[0]?.message.content).toBe(expectedText(messages, 5));
    expect(performance.now() - startedAt).toBeGreaterThan(900);
    expect(await holding).toMatchObject({ done: 1, errors: [] });
  });

  test('with a queue: the second request waits for the first and is then served', async () => {
    network = await startTestNetwork({ providers: 1, tokenMs: 10, maxConcurrency: 1 });
    const holding = readStream(network, long);
    await network.servingProvider();
    const waiting = await readStream(network, short);
    expect(waiting).toMatchObject({ status: 200, text: expectedText(messages, 5), done: 1 });
    expect(await holding).toMatchObject({ done: 1, errors: [] });
  });
});

describe('many clients that disconnect', () => {
  test('two hundred clients that disconnect leave no running work, no reserved slot and no held money', async () => {
    network = await startTestNetwork({ providers: 2, tokenMs: 20, maxConcurrency: 128 });
    await Promise.allSettled(
      Array.from({ length: 200 }, (_, index) =>
        readStream(
          network,
          { ...long, max_tokens: 2_000 },
          { signal: AbortSignal.timeout(100 + (index % 50) * 20) },
        ),
      ),
    );
    await expect.poll(() => network.runningSequences(), { timeout: 5_000 }).toBe(0);
    await network.expectMoneyBalances();
    await expect.poll(() => network.promisedSlots(), { timeout: 5_000 }).toBe(0);
  });
});
