import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { services } from '#bus-schemas';
import { startMachineOf } from '../linked-machine.ts';
import { type Person, startTestNetwork, type TestNetwork } from '../test-network.ts';

let network: TestNetwork;
let ann: Person;
beforeAll(async () => {
  network = await startTestNetwork({ providers: 1, tokenMs: 1, config: { addressLimit: 500 } });
  ann = await network.person('ann');
});
afterAll(() => network[Symbol.asyncDispose]());

const form = (path: string, fields: Record<string, string>) =>
  fetch(new URL(path, network.url), { method: 'POST', body: new URLSearchParams(fields) }).then(
    async (response) => ({
      status: response.status,
      json: (await response.json()) as Record<string, string>,
    }),
  );
const start = async () =>
  (await form('/v1/device/code', { client_id: 'test' })).json as {
    device_code: string;
    user_code: string;
    verification_uri: string;
  };
const poll = (device: string) =>
  form('/v1/device/token', {
    grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
    device_code: device,
    client_id: 'test',
  });

describe('a device that wants to be linked to an account', () => {
  test('waits, is told to slow down, is approved, and gets one token', async () => {
    const { device_code: device, user_code: code, verification_uri: page } = await start();
    expect(code).toMatch(/^[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}$/);
    expect(page).toContain('/link');
    expect((await network.ask('GET', `${page}?user_code=${code}`)).status).toBe(200);
    expect(await poll(device)).toEqual({ status: 400, json: { error: 'authorization_pending' } });
    expect(await poll(device)).toEqual({ status: 400, json: { error: 'slow_down' } });
    // The code is accepted in lower case and with a space instead of the hyphen.
    expect(
      (
        await ann.ask('POST', '/v1/device/approve', {
          user_code: code.toLowerCase().replace('-', ' '),
        })
      ).json,
    ).toEqual({ approved: true });
    const granted = await Promise.all([poll(device), poll(device), poll(device)]);
    expect(granted.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(granted.filter(({ json }) => json['error'] === 'invalid_grant')).toHaveLength(2);
    expect((await ann.ask('POST', '/v1/device/approve', { user_code: code })).status).toBe(409);
  });

  test('gets no token if it is denied or sends an unknown code', async () => {
    const { device_code: device, user_code: code } = await start();
    await ann.ask('POST', '/v1/device/approve', { user_code: code, approve: false });
    expect((await poll(device)).json).toEqual({ error: 'access_denied' });
    expect((await poll('made-up')).json).toEqual({ error: 'invalid_grant' });
    expect((await form('/v1/device/token', { grant_type: 'password' })).json).toEqual({
      error: 'unsupported_grant_type',
    });
    expect((await ann.ask('POST', '/v1/device/approve', { user_code: 'BBBB-BBBB' })).status).toBe(
      404,
    );
  });

  test('is sent to the page of the network, even if the request has a forged Host header', async () => {
    const text = await new Promise<string>((resolve, reject) => {
      const asked = request(new URL('/v1/device/code', network.url), {
        method: 'POST',
        headers: { host: 'evil.example', 'content-type': 'application/x-www-form-urlencoded' },
      });
      asked
        .on('error', reject)
        .on('response', async (response) => resolve((await response.toArray()).join('')));
      asked.end('client_id=test');
    });
    expect(JSON.parse(text).verification_uri).toBe(`${network.url}/link`);
    expect(text).not.toContain('evil.example');
  });

  test('cannot be approved with an API key', async () => {
    const { user_code: code } = await start();
    expect(
      (
        await network.ask('POST', '/v1/device/approve', {
          token: network.apiKey,
          body: { user_code: code },
        })
      ).status,
    ).toBe(403);
  });

  test('then serves its owner exclusively on request, free of charge, until the owner removes it', async () => {
    const fleet = await startMachineOf(network, ann, { name: 'own' });
    const [own] = fleet.providers;
    const { apiKey } = await network.createKey({ creditMicroUsd: 0, account: ann.account });
    const ask = (route = 'self') =>
      network.ask('POST', '/v1/chat/completions', {
        token: apiKey,
        headers: { 'x-dinf-route': route },
        body: { model: 'sim', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 5 },
      });
    await vi.waitFor(async () =>
      expect((await ann.ask('GET', '/v1/me/providers')).json.data).toMatchObject([
        {
          online: true,
          slots: expect.arrayContaining([expect.objectContaining({ serves: true })]),
        },
      ]),
    );
    for (let time = 0; time < 3; time += 1) {
      const told = await ask();
      expect([told.status, told.headers.get('x-provider-id')]).toEqual([200, own?.id]);
    }
    expect((await ask('prefer')).headers.get('x-provider-id')).toBe(own?.id);
    await network.expectMoneyBalances();
    expect((await ann.ask('GET', '/v1/balance')).json.available_micro_usd).toBe(0);
    const machines = (await ann.ask('GET', '/v1/me/providers')).json.data;
    expect(machines).toMatchObject([{ id: own?.id, online: true, revoked_at: null }]);
    expect(machines[0].memory_bytes).toBeGreaterThan(30_000_000_000);
    expect(machines[0].slots).toContainEqual({
      build: 'sim-llama-8b-q4',
      running: 0,
      serves: true,
      gate: 'probation',
      in_memory: true,
      memory_bytes: 4_500_000_000,
      because: expect.stringMatching(/^It is new: /),
    });
    await vi.waitFor(async () =>
      expect((await ann.ask('GET', '/v1/me/providers')).json.data[0].record).toMatchObject({
        completed: 4,
        failed: 0,
        tokens: 20,
      }),
    );
    expect(
      (
        await ann.ask('PUT', `/v1/me/providers/${own?.id}/prices`, {
          model: 'sim-llama-8b',
          input: 1,
          output: 2,
        })
      ).status,
    ).toBe(200);
    expect((await ann.ask('DELETE', `/v1/me/providers/${own?.id}`)).json).toEqual({
      id: own?.id,
      revoked: true,
    });
    // The ingress caches the list of the owner's machines for five seconds.
    await vi.waitFor(async () => expect((await ask()).status).toBe(409), { interval: 100 });
    // `prefer` is not a requirement: without a machine of the owner, others serve it, and it costs
    // money.
    expect((await ask('prefer')).status).toBe(402);
    await network.credit(ann.account, 1_000_000);
    expect((await ask('prefer')).status).toBe(200);
    expect((await ask('sideways')).status).toBe(400);
    await fleet[Symbol.asyncDispose]();
  });
});

test('a machine is on the public leaderboard only while its owner wants it, by paid requests', async () => {
  const cleo = await network.person('cleo');
  await using fleet = await startMachineOf(network, cleo, { name: 'shown' });
  const provider = fleet.providers[0]?.id ?? '';
  await network.network.coordinator.bus.call(
    services.trust.prove,
    { provider },
    { timeoutMs: 5_000 },
  );
  const body = { model: 'sim', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 5 };
  const askAs = (token: string) =>
    network.ask('POST', '/v1/chat/completions', {
      token,
      body: { ...body, provider: { only: [provider] } },
    });
  await vi.waitFor(async () => expect((await askAs(network.apiKey)).status).toBe(200), {
    timeout: 120_000,
    interval: 200,
  });
  const { apiKey: own } = await network.createKey({ creditMicroUsd: 0, account: cleo.account });
  for (let time = 0; time < 9; time += 1) {
    expect((await askAs(network.apiKey)).status).toBe(200);
    // What its owner calls without charge does not count.
    if (time < 3) expect((await askAs(own)).status).toBe(200);
  }
  await network.expectMoneyBalances();
  const path = `/v1/me/providers/${provider}/public-name`;
  const board = async () => (await network.ask('GET', '/v1/leaderboard')).json.machines;
  expect(await board()).toEqual([]);
  expect((await cleo.ask('PUT', path, { name: 'bad\u200bname' })).status).toBe(400);
  expect((await ann.ask('PUT', path, { name: 'Mine' })).status).toBe(404);
  expect((await cleo.ask('PUT', path, { name: 'Cellar Mac' })).json).toEqual({
    id: provider,
    public_name: 'Cellar Mac',
  });
  const { text, json } = await network.ask('GET', '/v1/leaderboard');
  expect(json.machines).toEqual([{ name: 'Cellar Mac', requests: 10, tokens: 50 }]);
  for (const secret of [provider, cleo.account]) expect(text).not.toContain(secret);
  expect((await cleo.ask('GET', '/v1/me/providers')).json.data).toMatchObject([
    { public_name: 'Cellar Mac' },
  ]);
  expect((await cleo.ask('DELETE', path)).json).toEqual({ id: provider, public_name: null });
  expect(await board()).toEqual([]);
}, 180_000);

test('a private machine serves its owner, and no other caller, even one who names it', async () => {
  const bob = await network.person('bob');
  await using fleet = await startMachineOf(network, bob, { name: 'private', arePrivate: true });
  const id = fleet.providers[0]?.id ?? '';
  const bobs = await network.createKey({ creditMicroUsd: 0, account: bob.account });
  const body = { model: 'sim', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 5 };
  const askAs = (token: string, more: object, headers = {}) =>
    network.ask('POST', '/v1/chat/completions', { token, headers, body: { ...body, ...more } });
  await vi.waitFor(async () => {
    const answer = await askAs(bobs.apiKey, {}, { 'x-dinf-route': 'self' });
    expect([answer.status, answer.headers.get('x-provider-id')]).toEqual([200, id]);
  });
  const [machine] = (await bob.ask('GET', '/v1/me/providers')).json.data;
  expect(machine.slots).toContainEqual(
    expect.objectContaining({
      serves: false,
      because: 'It serves only its owner (--private-only).',
    }),
  );
  const refused = await askAs(network.apiKey, { provider: { only: [id] } });
  expect([refused.status, refused.json.error.code]).toEqual([503, 'no_provider']);
});
