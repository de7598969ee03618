import { Client } from 'pg';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { services } from '#bus-schemas';
import { startComponentProcess } from './component-process.ts';
import { readStream } from './read-stream.ts';
import { expectedText, startTestNetwork, type TestNetwork } from './test-network.ts';

const messages = [{ role: 'user', content: 'Who are you?' }];
const chat = { model: 'sim-llama-8b', messages, max_tokens: 8 };
const good = { status: 200, text: expectedText(messages, 8), done: 1, errors: [] };
const CALL = { timeoutMs: 5_000 };

let network: TestNetwork;
afterEach(async () => {
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

describe('every process of the coordinator can be added or replaced', () => {
  test('a second ingress serves requests beside the first', async () => {
    network = await startTestNetwork({ providers: 2, tokenMs: 2 });
    const { httpUrl } = await network.apart.start('ingress');
    const second = { url: String(httpUrl), apiKey: network.apiKey };
    expect(
      await Promise.all(
        [network, second, network, second].map((target) => readStream(target, chat)),
      ),
    ).toEqual(Array.from({ length: 4 }, () => expect.objectContaining(good)));
  });

  test('routing is replaced: the new one learns the fleet from heartbeats, and requests wait for it', async () => {
    network = await startTestNetwork({ providers: 1, tokenMs: 2, apart: ['routing'] });
    expect(await readStream(network, chat)).toMatchObject(good);
    await network.apart.stop('routing');
    const waiting = readStream(network, chat);
    await network.apart.start('routing');
    expect(await waiting).toMatchObject(good);
  });

  test('settlement is replaced during a stream: the job is charged once', async () => {
    network = await startTestNetwork({ providers: 1, tokenMs: 20, apart: ['settlement'] });
    const streaming = readStream(network, { ...chat, max_tokens: 60 });
    await network.servingProvider();
    await network.apart.stop('settlement');
    expect(await streaming).toMatchObject({ done: 1, errors: [] });
    await network.apart.start('settlement');
    expect(await network.charges()).toMatchObject([{ outcome: 'settled', completionTokens: 60 }]);
  });

  test('without settlement a request gets a 503 and no provider begins to work', async () => {
    network = await startTestNetwork({ providers: 1, tokenMs: 2, apart: ['settlement'] });
    await network.apart.stop('settlement');
    expect(await readStream(network, chat)).toMatchObject({
      status: 503,
      errors: [{ error: { code: 'service_unavailable' } }],
    });
    expect(network.tokensMade()).toBe(0);
    await network.apart.start('settlement');
  });
});

describe('an ingress that stops', () => {
  test('ends a stream that takes too long with an error, and its delivered part is charged', async () => {
    network = await startTestNetwork({ providers: 1, tokenMs: 20, config: { drainMs: 100 } });
    const ingress = await network.secondIngress();
    const started = Promise.withResolvers<void>();
    const target = { url: ingress.url, apiKey: network.apiKey };
    const long = { ...chat, max_tokens: 5_000 };
    const stream = readStream(target, long, { onContent: () => started.resolve() });
    await started.promise;
    await ingress[Symbol.asyncDispose]();
    expect(await stream).toMatchObject({ errors: [{ code: 'draining' }], done: 0 });
    const [charge, ...others] = await network.charges();
    expect(others).toEqual([]);
    expect(charge?.outcome).toBe('settled');
    expect(charge?.completionTokens).toBeGreaterThan(0);
    expect(charge?.completionTokens).toBeLessThan(1_000);
  });

  test('reports 503 on /readyz first, serves requests meanwhile and asks clients to close connections', async () => {
    network = await startTestNetwork({ providers: 1, tokenMs: 2 });
    const ingress = await startComponentProcess(network, 'ingress', {
      DINF_DRAIN_NOTICE_MS: '600000',
    });
    const line = await ingress.whenLine((text) => text.includes('the API listens'), 1_000);
    const target = { url: JSON.parse(line).url, apiKey: network.apiKey };
    const ready = async () => (await fetch(`${target.url}/readyz`)).status;
    await expect.poll(ready).toBe(200);
    ingress.signal('SIGTERM');
    await expect.poll(ready).toBe(503);
    expect(await readStream(target, chat)).toMatchObject(good);
    const { headers } = await fetch(`${target.url}/v1/models`, {
      headers: { authorization: `Bearer ${network.apiKey}` },
    });
    await ingress.kill();
    expect(headers.get('connection')).toBe('close');
  });
});

describe('a version that does not fit the database', () => {
  test('does not start, and its exit code is the one for a wrong configuration', async () => {
    network = await startTestNetwork({ providers: 0, tokenMs: 2 });
    const database = new Client({ connectionString: network.network.databaseUrl });
    await database.connect();
    const name = '9999-of-a-newer-version.sql';
    await database.query("INSERT INTO migrations VALUES ($1, '', now(), true)", [name]);
    await expect(startComponentProcess(network, 'catalog')).rejects.toThrow(
      /\(code 64\).*this version is too old for the database.*9999-of-a-newer-version\.sql/s,
    );
    await database.query('DELETE FROM migrations WHERE name = ANY($1)', [
      [name, '0104-kinds-of-migrations.sql'],
    ]);
    await expect(startComponentProcess(network, 'catalog')).rejects.toThrow(
      /\(code 64\).*Run "dinf migrate".*0104-kinds-of-migrations\.sql/s,
    );
    await database.end();
  });
});

describe('a revoked key', () => {
  test('stops working on every ingress within a second', async () => {
    network = await startTestNetwork({ providers: 1, tokenMs: 2 });
    const { httpUrl } = await network.apart.start('ingress');
    const { apiKey, key } = await network.createKey({ creditMicroUsd: 1_000_000 });
    const status = async (url: string) =>
      (await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${apiKey}` } })).status;
    expect([await status(network.url), await status(String(httpUrl))]).toEqual([200, 200]);
    await network.network.coordinator.bus.call(services.accounts.revokeKey, { key }, CALL);
    await vi.waitFor(
      async () =>
        expect([await status(network.url), await status(String(httpUrl))]).toEqual([401, 401]),
      { timeout: 1_000, interval: 10 },
    );
  });
});

test('the readiness probe names what is missing', async () => {
  network = await startTestNetwork({ providers: 1, tokenMs: 2 });
  const ready = async () => (await fetch(`${network.url}/readyz`)).json();
  expect(await ready()).toEqual({ ready: true, missing: [] });
  await network.hub.kill();
  expect(await ready()).toMatchObject({ ready: false, missing: ['bus'] });
  await network.hub.restart();
  await vi.waitFor(async () => expect(await ready()).toEqual({ ready: true, missing: [] }), {
    timeout: 5_000,
  });
});
