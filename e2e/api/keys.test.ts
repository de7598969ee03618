import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Person, startTestNetwork, type TestNetwork } from '../test-network.ts';

let network: TestNetwork;
let ann: Person;

beforeAll(async () => {
  network = await startTestNetwork({ providers: 1, tokenMs: 0, apart: ['accounts'] });
  ann = await network.person('ann');
  await network.credit(ann.account, 100_000_000);
});
afterEach(() => network.expectMoneyBalances());
afterAll(() => network[Symbol.asyncDispose]());

const makeKey = async (settings: object = {}): Promise<{ id: string; secret: string }> => {
  const { json } = await ann.ask('POST', '/v1/keys', settings);
  return { id: json.data.id, secret: json.key };
};
const chat = (secret: string, fields: object = {}, headers: Record<string, string> = {}) =>
  network.ask('POST', '/v1/chat/completions', {
    token: secret,
    headers,
    body: { model: 'sim', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 2, ...fields },
  });

describe('a key', () => {
  test('is created, listed, changed and deleted by its owner, and its secret is shown once', async () => {
    const made = await ann.ask('POST', '/v1/keys', {
      name: 'laptop',
      rpm_limit: 600,
      daily_limit_micro_usd: 5_000_000,
      allowed_models: ['sim'],
    });
    expect(made.status).toBe(200);
    expect(made.json).toMatchObject({
      key: expect.stringMatching(/^sk-db-/),
      data: { name: 'laptop', rpm_limit: 600, daily_limit_micro_usd: 5_000_000 },
    });
    const { id } = made.json.data;
    const listed = await ann.ask('GET', '/v1/keys');
    expect(listed.json.data).toContainEqual(made.json.data);
    expect(listed.text).not.toContain(made.json.key);
    const changed = await ann.ask('PATCH', `/v1/keys/${id}`, {
      rpm_limit: null,
      daily_limit_micro_usd: null,
      itpm_limit: 7_000,
    });
    expect(changed.json).toMatchObject({
      name: 'laptop',
      rpm_limit: null,
      daily_limit_micro_usd: null,
      itpm_limit: 7_000,
      allowed_models: ['sim'],
    });
    expect((await ann.ask('DELETE', `/v1/keys/${id}`)).json).toEqual({ id, deleted: true });
    expect((await ann.ask('GET', `/v1/keys/${id}`)).status).toBe(404);
    expect((await ann.ask('DELETE', `/v1/keys/${id}`)).status).toBe(404);
  });

  test('shows when it was last used, also after a restart of the component accounts', async () => {
    const { id, secret } = await makeKey();
    const lastUse = async () => (await ann.ask('GET', `/v1/keys/${id}`)).json.last_used_at;
    expect(await lastUse()).toBeNull();
    const before = Date.now();
    expect((await chat(secret)).status).toBe(200);
    const used = await lastUse();
    expect(Date.parse(used)).toBeGreaterThanOrEqual(before);
    expect(Date.parse(used)).toBeLessThanOrEqual(Date.now());
    await network.apart.stop('accounts');
    await network.apart.start('accounts');
    expect(await lastUse()).toBe(used);
    expect(
      (await ann.ask('GET', '/v1/keys')).json.data.find((key: { id: string }) => key.id === id)
        .last_used_at,
    ).toBe(used);
  });

  test('can read its own settings, but not the list of keys', async () => {
    const { id, secret } = await makeKey({ name: 'self', total_limit_micro_usd: 1_000_000 });
    expect((await chat(secret)).status).toBe(200);
    await network.expectMoneyBalances();
    const { json } = await network.ask('GET', '/v1/key', { token: secret });
    expect(json).toMatchObject({
      id,
      total_limit_micro_usd: 1_000_000,
      spent_micro_usd: { day: expect.any(Number), total: expect.any(Number) },
    });
    expect(json.spent_micro_usd.total).toBeGreaterThan(0);
    const usage = json.spent_micro_usd.total / 1_000_000;
    expect(json.data).toMatchObject({ label: json.label, usage, limit: 1, limit_reset: null });
    expect(json.data.limit_remaining).toBeCloseTo(1 - usage, 6);
    const { json: other } = await network.ask('GET', '/v1/auth/key', { token: secret });
    expect(other).toEqual({ data: json.data });
    expect((await network.ask('GET', '/v1/keys', { token: secret })).json).toMatchObject({
      error: { code: 'user_required' },
    });
  });

  test('the credits of an account are its balance and the spending of its keys', async () => {
    const { secret } = await makeKey({ name: 'credits' });
    await network.expectMoneyBalances();
    const { json: credits } = await network.ask('GET', '/v1/credits', { token: secret });
    const { json: balance } = await network.ask('GET', '/v1/balance', { token: secret });
    const { total_credits: bought, total_usage: used } = credits.data;
    expect(used).toBeGreaterThan(0);
    expect(bought - used).toBeCloseTo(balance.available_micro_usd / 1_000_000, 6);
  });

  test('a key without a limit shows what it spent, and a new key that it spent nothing', async () => {
    const nothing = { day: 0, week: 0, month: 0, total: 0 };
    const { id, secret } = await makeKey({ name: 'unlimited' });
    const shown = async () =>
      (await ann.ask('GET', '/v1/keys')).json.data.find((key: { id: string }) => key.id === id)
        .spent_micro_usd;
    expect(await shown()).toEqual(nothing);
    expect((await chat(secret)).status).toBe(200);
    await network.expectMoneyBalances();
    const { json } = await ann.ask('GET', `/v1/keys/${id}`);
    expect(json.spent_micro_usd.total).toBeGreaterThan(0);
    expect(await shown()).toEqual(json.spent_micro_usd);
  });

  test.each([
    ['an unknown setting', { rpm_limt: 5 }, 'rpm_limt'],
    ['a negative limit', { rpm_limit: -1 }, 'rpm_limit'],
    ['a text instead of a number', { itpm_limit: '5' }, 'itpm_limit'],
    ['an expiry that is not a time', { expires_at: 'tomorrow, maybe' }, 'expires_at'],
  ])('with %s is refused', async (_, body, param) => {
    const { status, json } = await ann.ask('POST', '/v1/keys', body);
    expect(status).toBe(400);
    expect(json.error).toMatchObject({ code: 'invalid_request', param });
  });

  test('with invalid settings is refused with a message that names the field', async () => {
    const past = '2020-01-01T00:00:00Z';
    const message = async (body: object, path = '/v1/keys', method = 'POST') =>
      (await ann.ask(method, path, body)).json.error?.message;
    expect(await message({ rpm: 5 })).toBe('Unknown field `rpm`.');
    expect(await message({ rpm_limit: 'many' })).toBe(
      'The field `rpm_limit` must be a whole number.',
    );
    expect(await message({ rpm_limit: 0 })).toBe('The field `rpm_limit` must be at least 1.');
    expect(await message({ name: 'n'.repeat(121) })).toBe(
      'The field `name` must have at most 120 characters.',
    );
    expect(await message({ expires_at: past })).toBe('expires_at must be in the future.');
    expect(await message({ expires_at: past }, `/v1/keys/${(await makeKey()).id}`, 'PATCH')).toBe(
      'expires_at must be in the future.',
    );
    expect(await message({}, '/v1/device/approve')).toBe('The field `user_code` is missing.');
    expect((await ann.ask('GET', '/v1/usage?colour=red')).json.error.message).toBe(
      'Unknown parameter `colour`.',
    );
    expect((await ann.ask('GET', '/v1/usage?format=xml')).json.error.message).toBe(
      'The parameter `format` must be one of json, csv.',
    );
  });

  test('that is rotated keeps its id, and its old secret stops working within a second', async () => {
    const { id, secret } = await makeKey();
    expect((await chat(secret)).status).toBe(200);
    const { json } = await ann.ask('POST', `/v1/keys/${id}/rotate`);
    expect(json.data.id).toBe(id);
    await vi.waitFor(async () => expect((await chat(secret)).status).toBe(401), {
      timeout: 1_000,
      interval: 10,
    });
    expect((await chat(json.key)).status).toBe(200);
  });

  test('that is disabled is refused until it is enabled again; one that has expired is refused', async () => {
    const { id, secret } = await makeKey();
    await ann.ask('PATCH', `/v1/keys/${id}`, { disabled: true });
    await vi.waitFor(async () => expect((await chat(secret)).status).toBe(401), {
      timeout: 1_000,
      interval: 10,
    });
    await ann.ask('PATCH', `/v1/keys/${id}`, { disabled: false });
    await vi.waitFor(async () => expect((await chat(secret)).status).toBe(200), {
      timeout: 1_000,
      interval: 10,
    });
    const expiresAt = Date.now() + 4_000;
    const short = await makeKey({ expires_at: new Date(expiresAt).toISOString() });
    expect((await chat(short.secret)).status).toBe(200);
    await vi.waitFor(async () => expect((await chat(short.secret)).status).toBe(401), {
      interval: 50,
    });
    expect(Date.now()).toBeGreaterThanOrEqual(expiresAt);
  });

  test('with allowed models can use and list only these', async () => {
    const { secret } = await makeKey({ allowed_models: ['sim-vision-7b'] });
    expect((await chat(secret)).json).toMatchObject({
      error: { code: 'model_not_allowed', param: 'model' },
    });
    expect((await chat(secret, { model: 'sim-vision-7b' })).status).toBe(200);
    const { json } = await network.ask('GET', '/v1/models', { token: secret });
    expect(json.data.map(({ id }: { id: string }) => id)).toEqual(['sim-vision-7b']);
  });

  test('for the owner’s machines only gets an error if the owner has none', async () => {
    const { secret } = await makeKey({ self_route_only: true });
    expect((await chat(secret)).json).toMatchObject({ error: { code: 'no_linked_machine' } });
    expect((await chat((await makeKey()).secret, {}, { 'x-dinf-route': 'self' })).status).toBe(409);
  });

  test('that has reached its spending limit gets a 402', async () => {
    const { secret } = await makeKey({ daily_limit_micro_usd: 1 });
    expect((await chat(secret)).status).toBe(200);
    await network.expectMoneyBalances();
    expect((await chat(secret)).json).toMatchObject({ error: { code: 'key_limit_reached' } });
  });

  test.each([
    ['requests', { rpm_limit: 2 }, 3],
    ['input tokens', { itpm_limit: 30 }, 3],
    ['output tokens', { otpm_limit: 5 }, 3],
  ])(
    'with a limit of %s per minute gets headers with the remaining amount and the time of the reset',
    async (_, limit, calls) => {
      const { secret } = await makeKey(limit);
      const answers = [];
      for (let call = 0; call < calls; call += 1) answers.push(await chat(secret));
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 429]);
      const [first, , last] = answers;
      const name =
        Object.keys(Object.fromEntries(first?.headers ?? [])).find((header) =>
          header.startsWith('x-ratelimit-remaining-'),
        ) ?? '';
      expect(Number(first?.headers.get(name))).toBeGreaterThan(0);
      expect(Number(last?.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(last?.headers.get(name.replace('remaining', 'reset'))).toMatch(/^\d+s$/);
    },
  );
});

test('deleting a key takes effect in every ingress within a second', async () => {
  await using second = await network.secondIngress();
  const { id, secret } = await makeKey();
  const ask = (url: string) =>
    fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${secret}` } }).then(
      ({ status }) => status,
    );
  expect([await ask(network.url), await ask(second.url)]).toEqual([200, 200]);
  await ann.ask('DELETE', `/v1/keys/${id}`);
  await vi.waitFor(
    async () => expect([await ask(network.url), await ask(second.url)]).toEqual([401, 401]),
    { timeout: 1_000, interval: 10 },
  );
});

test('of 500 concurrent requests over three ingresses, with a key limited to 100 per minute, 100 pass', async () => {
  await using second = await network.secondIngress();
  await using third = await network.secondIngress();
  const urls = [network.url, second.url, third.url];
  const { secret } = await makeKey({ rpm_limit: 100 });
  const ask = (url: string) =>
    fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'sim',
        messages: [{ role: 'user', content: 'Hi' }],
        max_tokens: 1,
      }),
    }).then(async (response) => {
      await response.arrayBuffer();
      return response;
    });
  const responses = await Promise.all(
    Array.from({ length: 500 }, (_, index) => ask(urls[index % 3] as string)),
  );
  const limited = responses.filter(
    (response) =>
      response.headers.get('x-ratelimit-remaining-requests') === '0' && response.status === 429,
  );
  expect(limited).toHaveLength(400);
  expect(limited.every(({ headers }) => Number(headers.get('retry-after')) > 0)).toBe(true);
});
