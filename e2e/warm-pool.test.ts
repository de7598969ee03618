import { afterEach, expect, test } from 'vitest';
import { services } from '#bus-schemas';
import { readStream } from './read-stream.ts';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

const chat = { model: 'sim-llama-8b', messages: [{ role: 'user', content: 'Is it warm?' }], max_tokens: 100 };

let network: TestNetwork;
afterEach(async () => {
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

async function warm(): Promise<number> {
  const { builds } = await network.network.coordinator.bus.call(services.routing.capacity, {}, { timeoutMs: 5_000 });
  return builds.find(({ build }) => build === 'sim-llama-8b-q4')?.warm ?? 0;
}

test('machines load a model as more is asked of it, and not one more than that needs', { timeout: 60_000 }, async () => {
  network = await startTestNetwork({ providers: 4, tokenMs: 10, maxConcurrency: 2, startsCold: true });
  expect(await warm()).toBe(0);
  // The first one waits for the model, and is answered.
  expect(await readStream(network, { ...chat, max_tokens: 3 })).toMatchObject({ status: 200, done: 1 });
  await expect.poll(warm).toBe(1);
  // One after another, a second each: one machine is enough for that.
  for (let request = 0; request < 3; request += 1) await readStream(network, chat);
  expect(await warm()).toBe(1);
  // Two at once for a while, all the time: three places are wanted, which are two machines.
  let isOver = false;
  const clients = [0, 1].map(async () => {
    while (!isOver) await readStream(network, chat);
  });
  await expect.poll(warm, { timeout: 30_000, interval: 200 }).toBe(2);
  isOver = true;
  await Promise.all(clients);
});
