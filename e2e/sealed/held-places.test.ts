import OpenAI from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { events, JobEnded, services } from '#bus-schemas';
import { expectedText, startTestNetwork, type TestNetwork } from '../test-network.ts';
import {
  answerOf,
  type Customer,
  openJob,
  requestFor,
  startCustomer,
  startLiar,
  wishFor,
} from './sealed-network.ts';

// Sealed sessions hold a place on a machine before the sealed request arrives. An attacker could
// open sessions only to keep other customers waiting. All tests share one machine.

const PLACES = 16;

let network: TestNetwork;
let customer: Customer;
/** Accounts of the jobs that have ended, in the order of the ends. */
const ended: string[] = [];
/** How each job ended, by its id. */
const results = new Map<string, string>();
beforeAll(async () => {
  network = await startTestNetwork({ providers: 1, tokenMs: 1, maxConcurrency: PLACES });
  customer = await startCustomer(network.url);
  network.network.coordinator.bus.subscribe({
    subject: events.jobEnded,
    kind: JobEnded,
    handle: ({ job, account, result }) => {
      ended.push(account);
      results.set(job, result);
    },
  });
}, 60_000);
afterAll(async () => {
  await customer[Symbol.asyncDispose]();
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

const request = requestFor('Hello?', 8);
const answer = expectedText([{ role: 'user', content: 'Hello?' }], 8);
const askBy = (client: OpenAI) =>
  client.chat.completions.create({
    model: 'sim',
    messages: [{ role: 'user', content: 'Hello?' }],
    max_tokens: 8,
  });

test('sixteen concurrent requests of one new key through dinf proxy are all answered', async () => {
  const { apiKey } = await network.createKey({ creditMicroUsd: 10_000_000 });
  const openai = new OpenAI({ baseURL: `${customer.url}/v1`, apiKey, maxRetries: 0 });
  const answers = await Promise.all(Array.from({ length: 16 }, () => askBy(openai)));
  expect(new Set(answers.map(({ choices }) => choices[0]?.message.content))).toEqual(
    new Set([answer]),
  );
});

test('a key that opens 64 sessions without a request does not delay other customers', async () => {
  const attacker = await network.createKey({ creditMicroUsd: 10_000_000 });
  const opening = Promise.allSettled(
    Array.from({ length: 64 }, () =>
      customer.client.open(wishFor(request), `Bearer ${attacker.apiKey}`),
    ),
  );
  await expect
    .poll(() => network.promisedSlots(), { timeout: 10_000, interval: 20 })
    .toBeGreaterThanOrEqual(4);
  const answers = await Promise.all(Array.from({ length: 6 }, () => askBy(network.openai())));
  expect(answers.map(({ choices }) => choices[0]?.message.content)).toEqual(
    Array.from({ length: 6 }, () => answer),
  );
  // The answers came while the sessions were still open, and not because they had expired.
  expect(ended).not.toContain(attacker.account);
  const refused = (await opening).filter(
    ({ status }) => status === 'rejected',
  ) as PromiseRejectedResult[];
  expect(refused).toHaveLength(60);
  expect(new Set(refused.map(({ reason }) => reason.code))).toEqual(
    new Set(['rate_limit_exceeded']),
  );
});

test('an account with many keys can hold a quarter of the places of a model with unused sessions', async () => {
  const { apiKey, account } = await network.createKey({ creditMicroUsd: 10_000_000 });
  const keys = [apiKey];
  for (let key = 0; key < 3; key += 1)
    keys.push((await network.createKey({ creditMicroUsd: 0, account })).apiKey);
  const before = await network.promisedSlots();
  const opening = Promise.allSettled(
    keys.flatMap((key) =>
      Array.from({ length: 4 }, () => customer.client.open(wishFor(request), `Bearer ${key}`)),
    ),
  );
  await expect
    .poll(() => network.promisedSlots(), { timeout: 10_000, interval: 20 })
    .toBeGreaterThanOrEqual(before + PLACES / 4);
  const answers = await Promise.all(Array.from({ length: 6 }, () => askBy(network.openai())));
  expect(answers).toHaveLength(6);
  expect(ended).not.toContain(account);
  await opening;
}, 60_000);

const cancel = async (job: string, apiKey: string) => {
  const response = await fetch(`${network.url}/v1/sealed/sessions/${job}`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${apiKey}` },
  });
  return { status: response.status, json: await response.json() };
};

test('a client that rejects its offer gives back the place and the money before the offer expires', async () => {
  const own = await network.createKey({ creditMicroUsd: 10_000_000 });
  await using liar = await startLiar(network.url, ({ path, text }) => {
    if (path !== '/v1/sealed/sessions') return undefined;
    const session = JSON.parse(text);
    return JSON.stringify({
      ...session,
      offer: { ...session.offer, sealing_key: '11'.repeat(32) },
    });
  });
  await using misled = await startCustomer(liar.url);
  const job = await openJob(misled, own, request);
  await expect(answerOf(misled.client.run(job, `Bearer ${own.apiKey}`))).rejects.toMatchObject({
    code: 'untrusted_offer',
  });
  // An offer that expires ends its job with `failed`.
  await expect
    .poll(() => results.get(job.place.job), { timeout: 9_000, interval: 20 })
    .toBe('client_gone');
  const held = async () =>
    (
      await network.network.coordinator.bus.call(
        services.settlement.balance,
        { account: own.account },
        { timeoutMs: 5_000 },
      )
    ).heldMicroUsd;
  await expect.poll(held, { timeout: 9_000, interval: 20 }).toBe(0);
  expect(await cancel(job.place.job, own.apiKey)).toMatchObject({ status: 404 });
});

test('cancelled sessions count as waiting for an order, and only their own key cancels them', async () => {
  const own = await network.createKey({ creditMicroUsd: 10_000_000 });
  const other = await network.createKey({ creditMicroUsd: 10_000_000 });
  const open = () => customer.client.open(wishFor(request), `Bearer ${own.apiKey}`);
  for (let session = 0; session < 4; session += 1) {
    const { job } = await open();
    expect(await cancel(job, other.apiKey)).toMatchObject({
      status: 404,
      json: { error: { code: 'not_found' } },
    });
    expect(await cancel(job, own.apiKey)).toEqual({
      status: 200,
      json: { id: job, deleted: true },
    });
  }
  await expect(open()).rejects.toMatchObject({ code: 'rate_limit_exceeded' });
}, 60_000);
