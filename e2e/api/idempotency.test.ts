import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { startTestNetwork, type TestNetwork } from '../test-network.ts';

let network: TestNetwork;
beforeAll(async () => {
  network = await startTestNetwork({ providers: 1, tokenMs: 5 });
});
afterEach(() => network.expectMoneyBalances());
afterAll(() => network[Symbol.asyncDispose]());

const body = (content: string, fields: object = {}) => ({
  model: 'sim',
  messages: [{ role: 'user', content }],
  max_tokens: 20,
  ...fields,
});
const ask = (key: string, content: string, fields: object = {}, url = network.url) =>
  network.ask('POST', `${url}/v1/chat/completions`, {
    token: network.apiKey,
    headers: { 'idempotency-key': key },
    body: body(content, fields),
  });
const jobs = async () => (await network.chargesNow()).length;

test('a repeated request gets the first answer from any ingress and is charged once', async () => {
  await using second = await network.secondIngress();
  const first = await ask('again', 'Hello');
  await network.expectMoneyBalances();
  const before = await jobs();
  for (const url of [network.url, second.url]) {
    const repeated = await vi.waitFor(async () => {
      const told = await ask('again', 'Hello', {}, url);
      expect(told.status).toBe(200);
      return told;
    });
    expect(repeated.text).toBe(first.text);
    expect(repeated.headers.get('idempotent-replayed')).toBe('true');
    expect(repeated.headers.get('x-inference-job-id')).toBe(
      first.headers.get('x-inference-job-id'),
    );
  }
  expect(await jobs()).toBe(before);
});

test('a request that is repeated as soon as its answer is read gets that answer', async () => {
  for (let round = 0; round < 15; round += 1) {
    const first = await ask(`at-once-${round}`, 'Hello', { max_tokens: 1 });
    const again = await ask(`at-once-${round}`, 'Hello', { max_tokens: 1 });
    expect([again.status, again.text]).toEqual([200, first.text]);
  }
});

test('of ten identical requests at once one runs and nine get a 409', async () => {
  const before = await jobs();
  const answers = await Promise.all(Array.from({ length: 10 }, () => ask('together', 'Hi')));
  const statuses = answers.map(({ status }) => status);
  expect(statuses.filter((status) => status === 200)).toHaveLength(1);
  expect(statuses.filter((status) => status === 409)).toHaveLength(9);
  await network.expectMoneyBalances();
  expect(await jobs()).toBe(before + 1);
});

test('an idempotency key that was used for another request is refused', async () => {
  await ask('mixed', 'One');
  expect((await ask('mixed', 'Two')).json).toMatchObject({
    error: { code: 'idempotency_key_reused' },
  });
});

test('a client that lost its connection gets the answer by repeating the request', async () => {
  const abort = new AbortController();
  const lost = fetch(`${network.url}/v1/chat/completions`, {
    method: 'POST',
    signal: abort.signal,
    headers: {
      authorization: `Bearer ${network.apiKey}`,
      'content-type': 'application/json',
      'idempotency-key': 'lost',
    },
    body: JSON.stringify(body('Lost', { max_tokens: 60 })),
  });
  await network.servingProvider();
  abort.abort();
  await expect(lost).rejects.toThrow();
  const told = await vi.waitFor(async () => {
    const again = await ask('lost', 'Lost', { max_tokens: 60 });
    expect(again.status).toBe(200);
    return again;
  }, 5_000);
  expect(told.headers.get('idempotent-replayed')).toBe('true');
  expect(told.json.usage.completion_tokens).toBe(60);
});

test('an error is not stored: the request can be repeated and then runs', async () => {
  const poor = await network.createKey({ creditMicroUsd: 1 });
  const send = () =>
    network.ask('POST', '/v1/chat/completions', {
      token: poor.apiKey,
      headers: { 'idempotency-key': 'poor' },
      body: body('Hi'),
    });
  // Repeat it at once, too: the claim must be released before the client reads the error.
  for (let round = 0; round < 5; round += 1) expect((await send()).status).toBe(402);
  await network.credit(poor.account, 1_000_000);
  await vi.waitFor(async () => expect((await send()).status).toBe(200));
});

test('another key of the account does not get the answer, and the database does not contain it', async () => {
  const answer = await ask('secret', 'A secret');
  const words = answer.json.choices[0].message.content.slice(0, 24);
  const other = await network.createKey({ creditMicroUsd: 0, account: network.account });
  await vi.waitFor(async () => {
    const told = await network.ask('POST', '/v1/chat/completions', {
      token: other.apiKey,
      headers: { 'idempotency-key': 'secret' },
      body: body('A secret'),
    });
    expect([told.status, told.text.includes(words)]).toEqual([422, false]);
  });
  expect(await network.databaseHolds(words)).toBe(false);
});

test('digests in the database neither confirm a guessed request nor show that two customers sent the same one', async () => {
  const sent = JSON.stringify(body('A short prompt'));
  const other = await network.createKey({ creditMicroUsd: 1_000_000 });
  for (const token of [network.apiKey, other.apiKey]) {
    const { status } = await network.ask('POST', '/v1/chat/completions', {
      token,
      headers: { 'idempotency-key': 'guessed' },
      body: sent,
    });
    expect(status).toBe(200);
  }
  const digests = await network.claimedDigests('guessed');
  expect(digests).toHaveLength(2);
  const guesses = [sent, `/v1/chat/completions\n${sent}`].map((guess) =>
    createHash('sha256').update(guess).digest('hex'),
  );
  expect(guesses.filter((guess) => digests.includes(guess))).toEqual([]);
  expect(new Set(digests).size).toBe(2);
});
