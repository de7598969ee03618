import { afterEach, describe, expect, test } from 'vitest';
import { readStream } from './read-stream.ts';
import { expectedText, startTestNetwork, type TestNetwork } from './test-network.ts';

const STREAMS = 200;
const TOKENS = 150;
const TOKEN_MS = 20;

let network: TestNetwork;
afterEach(async () => {
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

const prompt = (index: number) => [
  { role: 'user' as const, content: `Tell me story number ${index}.` },
];
const expected = (index: number) => expectedText(prompt(index), TOKENS);

async function streamAll(): Promise<{ text: string; done: number; errors: unknown[] }[]> {
  return Promise.all(
    Array.from({ length: STREAMS }, (_, index) =>
      readStream(network, { model: 'sim-llama-8b', messages: prompt(index), max_tokens: TOKENS }),
    ),
  );
}

function expectExact(streams: { text: string; done: number; errors: unknown[] }[]): void {
  const wrong = streams.flatMap(({ text, done, errors }, index) =>
    text === expected(index) && done === 1 && errors.length === 0
      ? []
      : [{ index, text, done, errors }],
  );
  expect(wrong).toEqual([]);
}

// Thirty thousand frames are much work for a machine whose cores other programs keep busy.
describe(`${STREAMS} concurrent streams with ${TOKEN_MS} ms per token`, {
  timeout: 240_000,
}, () => {
  test('each client receives exactly the text of the engine', async () => {
    network = await startTestNetwork({ providers: 4, tokenMs: TOKEN_MS, maxConcurrency: 64 });
    expectExact(await streamAll());
  });

  test('the hub is killed and restarted during the streams: nothing is lost or repeated', async () => {
    network = await startTestNetwork({ providers: 4, tokenMs: TOKEN_MS, maxConcurrency: 64 });
    const all = streamAll();
    await expect.poll(() => network.tokensMade()).toBeGreaterThan((STREAMS * TOKENS) / 3);
    await network.hub.kill();
    await network.hub.restart();
    expectExact(await all);
  });
});
