import { join, resolve } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { startSupervised } from '#provider';
import { readStream } from './read-stream.ts';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

const DINF = join(resolve(import.meta.dirname, '..'), 'bin', 'dinf.ts');
const chat = { model: 'sim-llama-8b', messages: [{ role: 'user', content: 'Do not wait for me.' }], max_tokens: 5_000 };

let network: TestNetwork;
afterEach(async () => {
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

/** A component as a process of its own, the way an operator runs it. */
async function startProcess(component: string) {
  const { home, config } = network.network;
  const child = await startSupervised({
    name: component,
    command: process.execPath,
    args: [DINF, 'coordinator', '--components', component],
    env: { ...process.env, DINF_HOME: home, DINF_NATS_URL: config.natsUrls.join(','), DATABASE_URL: config.databaseUrl, DINF_HTTP_PORT: '0', DINF_LOG: 'info' },
    isReady: (line) => line.includes('the API listens'),
  });
  const line = child.logs().find((text) => text.includes('the API listens')) ?? '';
  return { child, url: String(JSON.parse(line).url) };
}

test('an ingress killed in mid-stream: the engine stops when nobody speaks for the job any more, and its receipt settles it, once', {
  timeout: 90_000,
}, async () => {
  network = await startTestNetwork({ providers: 1, tokenMs: 20 });
  const { child, url } = await startProcess('ingress');
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
