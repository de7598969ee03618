import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { services } from '#bus-schemas';
import { DINF, operatorSettings } from '../dinf-program.ts';
import { startTestNetwork, type TestNetwork } from '../test-network.ts';

const CALL = { timeoutMs: 5_000 };
const KEY = 'op-db-for-the-test';
let network: TestNetwork;
beforeAll(async () => {
  network = await startTestNetwork({
    providers: 1,
    tokenMs: 0,
    config: { admin: { host: '127.0.0.1', port: 0 }, trustedProxies: ['127.0.0.1'] },
  });
  await network.network.coordinator.bus.call(
    services.accounts.createOperator,
    { name: 'olga', keyHash: createHash('sha256').update(KEY).digest() },
    CALL,
  );
});
afterAll(() => network[Symbol.asyncDispose]());

const admin = (method: string, path: string, body?: unknown, token = KEY) =>
  network.ask(method, `${network.network.coordinator.adminUrl}${path}`, { token, body });
const run = promisify(execFile);
const dinf = async (...args: string[]): Promise<string> =>
  (
    await run(process.execPath, [DINF, ...args], {
      env: { ...process.env, ...operatorSettings(network.network), NO_COLOR: '1' },
      timeout: 30_000,
    })
  ).stdout;
const lastAudit = async () => (await admin('GET', '/admin/audit?limit=1')).json.data[0];

describe('operators', () => {
  test('have keys of their own that work only on their own listener', async () => {
    const ann = await network.person('ann');
    for (const token of [network.apiKey, ann.token, 'op-db-guess'])
      expect((await admin('GET', '/admin/audit', undefined, token)).status).toBe(401);
    expect((await network.ask('GET', '/admin/audit', { token: KEY })).status).toBe(404);
    expect((await network.ask('GET', '/v1/models', { token: KEY })).status).toBe(401);
  });

  test('add and remove models and aliases, and the ingress applies the change', async () => {
    const model = {
      display_name: 'New',
      context_length: 8_192,
      max_output_length: 1_024,
      builds: ['sim-llama-8b-q4'],
      features: ['tools'],
      input: 10,
      output: 20,
    };
    expect((await admin('PUT', '/admin/models/org/new', model)).status).toBe(200);
    expect((await admin('PUT', '/admin/aliases/newest', { model: 'org/new' })).status).toBe(200);
    const ask = () =>
      network.ask('POST', '/v1/chat/completions', {
        token: network.apiKey,
        body: { model: 'newest', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 2 },
      });
    await vi.waitFor(async () => expect((await ask()).json.model).toBe('newest'));
    expect(
      (await network.ask('GET', '/v1/models/newest', { token: network.apiKey })).json,
    ).toMatchObject({ id: 'newest', alias_of: 'org/new' });
    expect((await admin('DELETE', '/admin/models/org/new')).json.error.code).toBe('conflict');
    expect((await admin('PUT', '/admin/aliases/org/new', { model: 'sim-llama-8b' })).status).toBe(
      409,
    );
    expect((await admin('DELETE', '/admin/aliases/newest')).status).toBe(200);
    expect((await admin('DELETE', '/admin/models/org/new')).status).toBe(200);
    await vi.waitFor(async () => expect((await ask()).status).toBe(404));
  });

  test('credit an account once for each operation', async () => {
    const { account } = await network.person('bob');
    const credit = (amount: number) =>
      admin('POST', `/admin/accounts/${account}/credit`, {
        amount_micro_usd: amount,
        operation: 'ticket-42',
      });
    expect((await credit(5_000)).json).toEqual({ available_micro_usd: 5_000 });
    expect((await credit(5_000)).json).toEqual({ available_micro_usd: 5_000 });
    expect((await credit(6_000)).status).toBe(409);
    expect(await lastAudit()).toMatchObject({
      operator: 'olga',
      action: 'credit',
      subject: account,
      outcome: 'conflict',
    });
  });

  test('find every change in the audit log, also one that failed', async () => {
    expect((await admin('DELETE', '/admin/keys/key_0000000000000000')).status).toBe(404);
    expect(await lastAudit()).toMatchObject({
      operator: 'olga',
      action: 'revoke-key',
      subject: 'key_0000000000000000',
      outcome: 'not_found',
    });
    const { key, apiKey } = await network.createKey({ creditMicroUsd: 1 });
    await admin('DELETE', `/admin/keys/${key}`);
    expect(await lastAudit()).toMatchObject({
      action: 'revoke-key',
      subject: key,
      outcome: 'done',
    });
    await vi.waitFor(
      async () =>
        expect((await network.ask('GET', '/v1/models', { token: apiKey })).status).toBe(401),
      1_000,
    );
  });

  test('lose access at once when their key is revoked', async () => {
    const key = (await dinf('operator-key', 'oscar')).trim();
    expect((await admin('GET', '/admin/books', undefined, key)).status).toBe(200);
    expect(await dinf('operator-key', 'oscar', '--revoke')).toContain('does not work any more');
    expect((await admin('GET', '/admin/books', undefined, key)).status).toBe(401);
    expect(await dinf('operator-key', '--list')).toMatch(/^oscar {2}since \S+ {2}revoked/m);
    await expect(dinf('operator-key', 'oscar', '--revoke')).rejects.toThrow(
      /No operator named oscar has a key that works/,
    );
  });

  test('see the changes by users and commands too, without the codes that are secrets', async () => {
    const dan = await network.person('dan');
    const { id } = (await dan.ask('POST', '/v1/keys', { name: 'laptop' })).json.data;
    await dan.ask('POST', `/v1/keys/${id}/rotate`);
    await dan.ask('POST', '/v1/invites/redeem', { code: 'no-such-invite' });
    const shown = (row: { action: string; subject: string; outcome: string }) => [
      row.action,
      row.subject,
      row.outcome,
    ];
    const changes = (await dan.ask('GET', '/v1/me/changes')).json.data;
    expect(changes.map(shown)).toEqual([
      ['redeem-invite', '', 'not_found'],
      ['rotate-key', id, 'done'],
      ['create-key', '', 'done'],
    ]);
    await dinf('keys', 'revoke', id);
    const { data } = (await admin('GET', '/admin/audit?limit=5')).json;
    expect(data[0]).toMatchObject({
      operator: expect.stringMatching(/^cli:\S+@\S+$/),
      action: 'revoke-key',
      subject: id,
      outcome: 'done',
    });
    expect(data[1]).toMatchObject({ operator: dan.account, action: 'redeem-invite' });
    expect(JSON.stringify(data)).not.toContain('no-such-invite');
    // Users read only their own changes.
    expect((await (await network.person('eve')).ask('GET', '/v1/me/changes')).json.data).toEqual(
      [],
    );
  });

  test('drain an ingress and end the draining', async () => {
    const ask = () =>
      network.ask('POST', '/v1/chat/completions', {
        token: network.apiKey,
        body: { model: 'sim', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 2 },
      });
    await admin('POST', '/admin/drain', { draining: true });
    const refused = await ask();
    expect([refused.status, refused.json.error.code]).toEqual([429, 'draining']);
    expect((await network.ask('GET', '/readyz')).status).toBe(503);
    await admin('POST', '/admin/drain', { draining: false });
    expect((await ask()).status).toBe(200);
  });

  test('read the metrics of the process, which the public listener does not have', async () => {
    const { status, headers, text } = await admin('GET', '/metrics');
    expect([status, headers.get('content-type')]).toEqual([
      200,
      expect.stringContaining('text/plain'),
    ]);
    expect(text).toMatch(/^dinf_ingress_jobs_running \d+$/m);
    expect(
      (await network.ask('GET', `${network.network.coordinator.adminUrl}/metrics`)).status,
    ).toBe(401);
    expect((await admin('GET', '/metrics', undefined, network.apiKey)).status).toBe(401);
    expect((await network.ask('GET', '/metrics', { token: KEY })).status).toBe(404);
  });

  test('see the fleet and whether the books balance', async () => {
    expect((await admin('GET', '/admin/fleet')).json.data[0]).toMatchObject({ simulated: true });
    await network.expectMoneyBalances();
    expect((await admin('GET', '/admin/books')).json).toMatchObject({ ok: true, open_holds: 0 });
  });

  test('create invites with generated codes or chosen ones of at least eight characters, which expire in the future', async () => {
    const invite = (fields: object) =>
      admin('POST', '/admin/invites', { credit_micro_usd: 100, uses: 1, ...fields });
    expect((await invite({ code: 'spring-1' })).json).toEqual({ done: true, code: 'spring-1' });
    const cid = await network.person('cid');
    expect(
      (await cid.ask('POST', '/v1/invites/redeem', { code: 'spring-1' })).json.available_micro_usd,
    ).toBe(100);
    const { code } = (await invite({})).json;
    expect(code.length).toBeGreaterThanOrEqual(12);
    expect((await cid.ask('POST', '/v1/invites/redeem', { code })).json.available_micro_usd).toBe(
      200,
    );
    expect((await invite({ code: 'spring7' })).json.error).toMatchObject({
      param: 'code',
      message: 'The field `code` must have at least 8 characters.',
    });
    expect((await invite({ expires_at: '2020-01-01T00:00:00Z' })).json.error).toMatchObject({
      param: 'expires_at',
      message: 'expires_at must be in the future.',
    });
  });

  test('limit guesses of invite codes for each account, whatever addresses they come from', async () => {
    await admin('POST', '/admin/invites', { code: 'autumn-1', credit_micro_usd: 100, uses: 2 });
    const redeem = ({ token }: { token: string }, code: string, address: string) =>
      network.ask('POST', '/v1/invites/redeem', {
        token,
        body: { code },
        headers: { 'x-forwarded-for': address },
      });
    const eve = await network.person('guessing-eve');
    const told = await Promise.all(
      Array.from({ length: 80 }, (_, index) => redeem(eve, `guess-${index}`, `192.0.2.${index}`)),
    );
    expect(told.filter(({ status }) => status === 404)).toHaveLength(60);
    expect(told.filter(({ status }) => status === 429)).toHaveLength(20);
    expect((await redeem(eve, 'autumn-1', '192.0.2.99')).status).toBe(429);
    expect((await redeem(await network.person('lucky-lea'), 'autumn-1', '192.0.2.1')).status).toBe(
      200,
    );
  });
});
