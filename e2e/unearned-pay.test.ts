import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

/**
 * A network with providers that demand pay for work that they did not do or can deny. Every test
 * sends its requests to one provider by its id.
 */
let network: TestNetwork;
beforeAll(async () => {
  network = await startTestNetwork({
    providers: 3,
    tokenMs: 1,
    faults: { 0: 'overcounts', 1: 'no_signatures' },
    config: { receiptGraceMs: 1_000 },
  });
}, 60_000);
afterAll(async () => {
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

const ask = (provider: number, body: object = {}) =>
  network.ask('POST', '/v1/chat/completions', {
    token: network.apiKey,
    body: {
      model: 'sim',
      messages: [{ role: 'user', content: 'Is it so?' }],
      provider: { only: [network.providers[provider]?.id] },
      ...body,
    },
  });
const chargeOf = async (job: string | null) =>
  (await network.charges()).find((charge) => charge.job === job);

test('an answer of four bytes is billed as at most 20 tokens, however many its provider reports', async () => {
  const told = await ask(0, { max_tokens: 2_000 });
  expect(told.json.choices[0].message.content).toBe('Yes.');
  expect(told.json.usage.completion_tokens).toBe(20);
  expect(await chargeOf(told.headers.get('x-inference-job-id'))).toMatchObject({
    outcome: 'settled',
    completionTokens: 20,
  });
});

test('a provider that does not sign its receipts earns nothing, and its customers are charged nothing', async () => {
  const told = await ask(1, { max_tokens: 20 });
  expect([told.status, told.json.usage.completion_tokens]).toEqual([200, 20]);
  expect(await chargeOf(told.headers.get('x-inference-job-id'))).toMatchObject({
    outcome: 'refunded',
    chargedMicroUsd: 0,
  });
  const honest = await ask(2, { max_tokens: 20 });
  const charge = await chargeOf(honest.headers.get('x-inference-job-id'));
  expect(charge).toMatchObject({ outcome: 'settled', completionTokens: 20 });
  expect(charge?.chargedMicroUsd).toBeGreaterThan(0);
});
