import OpenAI from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { events, JobEnded } from '#bus-schemas';
import { expectedText, startTestNetwork, type TestNetwork } from '../test-network.ts';
import { type Customer, requestFor, startCustomer, wishFor } from './sealed-network.ts';

// Sealed sessions hold a place on a machine before the sealed request arrives. An attacker could
// open sessions only to keep other customers waiting. All tests share one machine.

const PLACES = 16;

let network: TestNetwork;
let customer: Customer;
/** Accounts of the jobs that have ended, in the order of the ends. */
const ended: string[] = [];
beforeAll(async () => {
  network = await startTestNetwork({ providers: 1, tokenMs: 1, maxConcurrency: PLACES });
  customer = await startCustomer(network.url);
  network.network.coordinator.bus.subscribe({ subject: events.jobEnded, kind: JobEnded, handle: ({ account }) => void ended.push(account) });
}, 60_000);
afterAll(async () => {
  await customer[Symbol.asyncDispose]();
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

const request = requestFor('Hello?', 8);
const answer = expectedText([{ role: 'user', content: 'Hello?' }], 8);
const askBy = (client: OpenAI) => client.chat.completions.create({ model: 'sim', messages: [{ role: 'user', content: 'Hello?' }], max_tokens: 8 });

test('sixteen concurrent requests of one new key through dinf proxy are all answered', async () => {
  const { apiKey } = await network.createKey({ creditMicroUsd: 10_000_000 });
  const openai = new OpenAI({ baseURL: `${customer.url}/v1`, apiKey, maxRetries: 0 });
  const answers = await Promise.all(Array.from({ length: 16 }, () => askBy(openai)));
  expect(new Set(answers.map(({ choices }) => choices[0]?.message.content))).toEqual(new Set([answer]));
});

test('a key that opens 64 sessions without a request does not delay other customers', async () => {
  const attacker = await network.createKey({ creditMicroUsd: 10_000_000 });
  const opening = Promise.allSettled(Array.from({ length: 64 }, () => customer.client.open(wishFor(request), `Bearer ${attacker.apiKey}`)));
  await expect.poll(() => network.promisedSlots(), { timeout: 10_000, interval: 20 }).toBeGreaterThanOrEqual(4);
  const answers = await Promise.all(Array.from({ length: 6 }, () => askBy(network.openai())));
  expect(answers.map(({ choices }) => choices[0]?.message.content)).toEqual(Array.from({ length: 6 }, () => answer));
  // The answers came while the sessions were still open, and not because they had expired.
  expect(ended).not.toContain(attacker.account);
  const refused = (await opening).filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
  expect(refused).toHaveLength(60);
  expect(new Set(refused.map(({ reason }) => reason.code))).toEqual(new Set(['rate_limit_exceeded']));
});

test('an account with many keys can hold a quarter of the places of a model with unused sessions', async () => {
  const { apiKey, account } = await network.createKey({ creditMicroUsd: 10_000_000 });
  const keys = [apiKey];
  for (let key = 0; key < 3; key += 1) keys.push((await network.createKey({ creditMicroUsd: 0, account })).apiKey);
  const before = await network.promisedSlots();
  const opening = Promise.allSettled(keys.flatMap((key) => Array.from({ length: 4 }, () => customer.client.open(wishFor(request), `Bearer ${key}`))));
  await expect.poll(() => network.promisedSlots(), { timeout: 10_000, interval: 20 }).toBeGreaterThanOrEqual(before + PLACES / 4);
  const answers = await Promise.all(Array.from({ length: 6 }, () => askBy(network.openai())));
  expect(answers).toHaveLength(6);
  expect(ended).not.toContain(account);
  await opening;
}, 60_000);
