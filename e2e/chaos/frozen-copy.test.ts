import { afterEach, expect, test } from 'vitest';
import { startComponentProcess } from '../component-process.ts';
import { samplesIn, sumOf } from '../monitoring/samples.ts';
import { readStream } from '../read-stream.ts';
import { startTestNetwork, type TestNetwork } from '../test-network.ts';

const request = {
  model: 'sim-llama-8b',
  messages: [{ role: 'user', content: 'Who pays?' }],
  max_tokens: 5,
};
const METRICS = { host: '127.0.0.1', port: 0 };

let network: TestNetwork;
afterEach(() => network[Symbol.asyncDispose]());

/** Holds that the ingress gave up, to ask for them again. */
async function lostHolds(): Promise<number> {
  const page = await fetch(network.network.coordinator.metricsUrl ?? '');
  const hold = { method: 'svc.settlement.hold', code: 'timeout' };
  return sumOf(samplesIn(await page.text()), 'dinf_bus_failed_calls_total', hold) ?? 0;
}

test('one of two copies of settlement is frozen: the other one answers its calls before they are given up', {
  timeout: 90_000,
}, async () => {
  network = await startTestNetwork({
    providers: 1,
    tokenMs: 1,
    apart: ['settlement'],
    config: { metrics: METRICS },
  });
  await network.apart.stop('settlement');
  const frozen = await startComponentProcess(network, 'settlement');
  const other = await startComponentProcess(network, 'settlement');
  expect(await readStream(network, request)).toMatchObject({ status: 200, done: 1 });
  process.kill(frozen.pid, 'SIGSTOP');
  const before = await lostHolds();
  // With even chances for each copy, one run of sixteen thousand never asks the frozen one.
  for (let asked = 0; asked < 14; asked += 1)
    expect(await readStream(network, request)).toMatchObject({ status: 200, done: 1 });
  expect(await lostHolds()).toBe(before);
  process.kill(frozen.pid, 'SIGCONT');
  await network.expectMoneyBalances();
  await frozen.stop();
  await other.stop();
});
