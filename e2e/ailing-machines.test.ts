import { afterEach, expect, test } from 'vitest';
import { events, JobAttempt } from '#bus-schemas';
import type { Fault } from '#simulator';
import { readStream } from './read-stream.ts';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

const PROVIDERS = 4;
const AT_ONCE = 4;
const REQUESTS = 80;
const chat = {
  model: 'sim-llama-8b',
  messages: [{ role: 'user', content: 'Is anybody well?' }],
  max_tokens: 5,
};

let network: TestNetwork;
afterEach(async () => {
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

/**
 * Sends requests, a few at once, to a fleet in which one machine has a fault. Returns the HTTP
 * statuses and the reasons of the failed attempts.
 */
async function askAll(fault: Fault, config: { firstContentMs?: number } = {}) {
  network = await startTestNetwork({
    providers: PROVIDERS,
    tokenMs: 2,
    faults: { 0: fault },
    config,
  });
  const failures: string[] = [];
  const { bus } = network.network.coordinator;
  bus.subscribe({
    subject: events.jobAttempt,
    kind: JobAttempt,
    handle: ({ failure, refusal }) => void failures.push(refusal ?? failure),
  });
  const statuses: number[] = [];
  let left = REQUESTS;
  const client = async () => {
    for (; left > 0; left -= 1) statuses.push((await readStream(network, chat)).status);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, client));
  return { statuses: new Set(statuses), failures };
}

test('a machine that refuses jobs despite free capacity costs few attempts and no answer', {
  timeout: 240_000,
}, async () => {
  const { statuses, failures } = await askAll('black-hole');
  expect(statuses).toEqual(new Set([200]));
  expect(new Set(failures)).toEqual(new Set(['queue_full']));
  // One of four machines, so without a penalty it would get a quarter of all requests.
  expect(failures.length).toBeLessThan(REQUESTS / 8);
});

test('a machine that accepts jobs and sends nothing gets no more after a few', {
  timeout: 240_000,
}, async () => {
  const { statuses, failures } = await askAll('stalls', { firstContentMs: 8_000 });
  expect(statuses).toEqual(new Set([200]));
  expect(new Set(failures)).toEqual(new Set(['first_content_late']));
  expect(failures.length).toBeLessThan(10);
});
