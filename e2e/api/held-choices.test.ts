import { afterEach, expect, test, vi } from 'vitest';
import type { Fault } from '#simulator';
import { startTestNetwork, type TestNetwork } from '../test-network.ts';

const body = {
  model: 'sim',
  messages: [{ role: 'user', content: 'Hi' }],
  max_tokens: 400,
  n: 3,
};
let network: TestNetwork;
afterEach(async () => {
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

/** A network whose only machine never begins an answer. */
const startWith = async (fault: Fault) => {
  network = await startTestNetwork({ providers: 1, tokenMs: 1, faults: { 0: fault } });
};
const outcomes = async () => (await network.charges()).map(({ outcome }) => outcome);

test('the money of all choices is set aside at once, and released when the client leaves', {
  timeout: 120_000,
}, async () => {
  await startWith('stalls');
  const abort = new AbortController();
  const asked = fetch(`${network.url}/v1/chat/completions`, {
    method: 'POST',
    signal: abort.signal,
    headers: { authorization: `Bearer ${network.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  // No choice has begun, so only the first one runs.
  await vi.waitFor(
    async () => {
      const held = await network.chargesNow();
      expect(held.map(({ outcome }) => outcome)).toEqual(['held', 'held', 'held']);
      expect(new Set(held.map(({ heldMicroUsd }) => heldMicroUsd)).size).toBe(1);
    },
    { timeout: 30_000, interval: 20 },
  );
  abort.abort();
  await expect(asked).rejects.toThrow();
  expect(await outcomes()).toEqual(['refunded', 'refunded', 'refunded']);
});

test('a request whose first choice fails costs nothing, and each of its jobs says so', {
  timeout: 120_000,
}, async () => {
  await startWith('black-hole');
  const answer = await network.ask('POST', '/v1/chat/completions', {
    token: network.apiKey,
    body,
  });
  expect(answer.status).toBe(429);
  expect(await outcomes()).toEqual(['refunded', 'refunded', 'refunded']);
  const ids = answer.headers.get('x-inference-job-ids')?.split(', ') ?? [];
  expect(ids).toHaveLength(3);
  for (const id of ids)
    await vi.waitFor(async () => {
      const { status, json } = await network.ask('GET', `/v1/generation?id=${id}`, {
        token: network.apiKey,
      });
      expect(status).toBe(200);
      expect(json.data).toMatchObject({ status: 'failed', total_cost: 0 });
    }, 30_000);
});
