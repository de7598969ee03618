import { afterEach, expect, test } from 'vitest';
import { services } from '#bus-schemas';
import { readStream } from './read-stream.ts';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

const chat = {
  model: 'sim-llama-8b',
  messages: [{ role: 'user', content: 'Is it warm?' }],
  max_tokens: 100,
};

let network: TestNetwork;
afterEach(async () => {
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

async function warm(): Promise<number> {
  const { builds } = await network.network.coordinator.bus.call(
    services.routing.capacity,
    {},
    { timeoutMs: 5_000 },
  );
  return builds.find(({ build }) => build === 'sim-llama-8b-q4')?.warm ?? 0;
}

test('more machines load a model as its load grows, and no more than the load needs', {
  timeout: 60_000,
}, async () => {
  network = await startTestNetwork({
    providers: 4,
    tokenMs: 10,
    maxConcurrency: 2,
    startsCold: true,
  });
  expect(await warm()).toBe(0);
  // The first request waits until the model is loaded, and is then answered.
  expect(await readStream(network, { ...chat, max_tokens: 3 })).toMatchObject({
    status: 200,
    done: 1,
  });
  await expect.poll(warm).toBe(1);
  // Three requests one after the other, of one second each, need only one machine.
  for (let request = 0; request < 3; request += 1) await readStream(network, chat);
  expect(await warm()).toBe(1);
  // Two clients that send requests without a pause need three places, so two machines.
  let isOver = false;
  const clients = [0, 1].map(async () => {
    while (!isOver) await readStream(network, chat);
  });
  await expect.poll(warm, { timeout: 30_000, interval: 200 }).toBe(2);
  isOver = true;
  await Promise.all(clients);
});
