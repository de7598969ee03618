import { afterEach, expect, test } from 'vitest';
import { startComponentProcess } from './component-process.ts';
import { readStream } from './read-stream.ts';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

const chat = { model: 'sim-llama-8b', messages: [{ role: 'user', content: 'Do not wait for me.' }], max_tokens: 5_000 };

let network: TestNetwork;
afterEach(async () => {
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

test('an ingress killed in mid-stream: the engine stops when nobody speaks for the job any more, and its receipt settles it, once', {
  timeout: 90_000,
}, async () => {
  network = await startTestNetwork({ providers: 1, tokenMs: 20 });
  const child = await startComponentProcess(network, 'ingress');
  const url = String(JSON.parse(child.logs().find((line) => line.includes('the API listens')) ?? '{}').url);
  let killed: Promise<unknown> | undefined;
  const reading = readStream({ url, apiKey: network.apiKey }, chat, {
    onContent: (text) => {
      if (text.length > 100) killed ??= child.kill();
    },
  });
  await expect(reading).rejects.toThrow();
  await killed;
  expect(network.runningSequences()).toBe(1);
  // The lease: fifteen seconds without a word.
  await expect.poll(() => network.runningSequences(), { timeout: 20_000, interval: 100 }).toBe(0);
  await expect.poll(async () => (await network.chargesNow()).map(({ outcome }) => outcome), { timeout: 20_000, interval: 200 }).toEqual(['settled']);
  const [charge] = await network.charges();
  expect(charge?.chargedMicroUsd).toBeGreaterThan(0);
  expect(charge?.completionTokens).toBeLessThan(1_200);
});
