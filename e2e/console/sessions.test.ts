import { type IncomingMessage, request } from 'node:http';
import { text as readText } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { MAX_CONSOLE_SESSIONS, Nkey, services } from '#bus-schemas';
import { hashOf } from '#coordinator/secrets.ts';
import { type Person, startTestNetwork, type TestNetwork } from '../test-network.ts';
import { ConsoleBrowser, codeFor, signedIn } from './console-browser.ts';

const CALL = { timeoutMs: 5_000 };

let network: TestNetwork;
let ann: Person;
let bob: Person;

beforeAll(async () => {
  const config = { addressLimit: 100_000 };
  network = await startTestNetwork({ providers: 1, tokenMs: 0, config });
  [ann, bob] = await Promise.all([network.person('ann'), network.person('bob')]);
  await network.credit(ann.account, 10_000_000);
});
afterAll(() => network[Symbol.asyncDispose]());

/** Sends headers that fetch does not let a program choose. */
async function rawAnswer(
  method: string,
  path: string,
  headers: Record<string, string>,
  body = '',
): Promise<{ status: number | undefined; text: string }> {
  const asking = request(new URL(path, network.url), { method, headers });
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    asking.on('response', resolve).on('error', reject);
    asking.on('upgrade', () => reject(new Error('the connection was upgraded'))).end(body);
  });
  return { status: answer.statusCode, text: await readText(answer) };
}

const chat = {
  model: 'sim',
  messages: [{ role: 'user', content: 'Hi' }],
  max_tokens: 2,
};

describe('the link of the network', () => {
  test('signs its owner in with a cookie that no script can read', async () => {
    const browser = new ConsoleBrowser(network);
    const answer = await browser.signIn(await codeFor(network, ann));
    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({
      account: ann.account,
      name: 'ann@localhost',
      email: 'ann@localhost',
      roles: ['customer'],
      expires_at: expect.any(String),
    });
    const [set] = answer.headers.getSetCookie();
    expect(set).toMatch(
      /^dinf-session=cs-db-[\w-]{32}; Max-Age=\d+; Path=\/; HttpOnly; SameSite=Strict$/,
    );
    expect((await browser.ask('GET', '/console/session')).json).toMatchObject({
      account: ann.account,
    });
  });

  test('works once, and a thief who uses it later gets nothing', async () => {
    const code = await codeFor(network, ann);
    await new ConsoleBrowser(network).signIn(code);
    const thief = new ConsoleBrowser(network);
    const { status, json } = await thief.signIn(code);
    expect([status, json.error.code]).toEqual([401, 'signed_out']);
    expect(json.error.message).toContain('used already');
    expect(thief.cookie).toBeUndefined();
  });

  test('signs in one of two browsers that open it at once', async () => {
    const code = await codeFor(network, ann);
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => new ConsoleBrowser(network).signIn(code)),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  test('has expired after its time', async () => {
    const { bus } = network.network.coordinator;
    const code = 'x'.repeat(32);
    const past = { codeHash: hashOf(code), account: ann.account, expiresAt: Date.now() - 1 };
    await bus.call(services.accounts.createSignInCode, past, CALL);
    const { status, json } = await new ConsoleBrowser(network).signIn(code);
    expect(status).toBe(401);
    expect(json.error.message).toContain('expired');
  });

  test('is never stored, and neither is the cookie', async () => {
    const code = await codeFor(network, ann);
    const browser = new ConsoleBrowser(network);
    await browser.signIn(code);
    const cookie = browser.cookie?.split('=')[1] ?? '';
    expect(await network.databaseHolds(hashOf(cookie))).toBe(true);
    expect(await network.databaseHolds(hashOf(code))).toBe(true);
    expect(await network.databaseHolds(cookie)).toBe(false);
    expect(await network.databaseHolds(code)).toBe(false);
    expect(network.logs()).not.toContain(cookie);
    expect(network.logs()).not.toContain(code);
  });

  test.each<[string, Record<string, string>]>([
    ['another site', { origin: 'https://evil.example' }],
    ['a frame of another site', { 'sec-fetch-site': 'cross-site' }],
    ['a form, which cannot send the header', { 'x-dinf-console': '' }],
  ])('is refused from %s, which could sign the person in to another account', async (_, sent) => {
    const code = await codeFor(network, bob);
    const headers = { ...new ConsoleBrowser(network).headers(), ...sent };
    const refused = await network.ask('POST', '/console/session', { body: { code }, headers });
    expect([refused.status, refused.headers.getSetCookie()]).toEqual([403, []]);
    expect((await new ConsoleBrowser(network).signIn(code)).status).toBe(200);
  });

  test('is refused without TLS at another host name than loopback', async () => {
    const body = JSON.stringify({ code: await codeFor(network, ann) });
    const { status, text } = await rawAnswer(
      'POST',
      '/console/session',
      {
        ...new ConsoleBrowser(network).headers(),
        host: 'studio.local:8080',
        origin: 'http://studio.local:8080',
        'content-type': 'application/json',
        'content-length': String(body.length),
      },
      body,
    );
    expect([status, text]).toEqual([403, expect.stringContaining('TLS')]);
  });
});

describe('a request with the cookie', () => {
  test('has the rights of the person, and the rights of a key without limits', async () => {
    const browser = await signedIn(network, ann);
    expect((await browser.ask('GET', '/v1/me')).json).toMatchObject({ account: ann.account });
    const key = await browser.ask('POST', '/v1/keys', { name: 'from the console' });
    expect(key.status).toBe(200);
    expect((await browser.ask('GET', '/v1/models')).status).toBe(200);
    const answer = await browser.ask('POST', '/v1/chat/completions', chat);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
    const job = answer.headers.get('x-inference-job-id');
    await vi.waitFor(async () => {
      const { json } = await browser.ask('GET', '/v1/usage');
      const row = json.data.find((each: { job_id: string }) => each.job_id === job);
      expect(row).toMatchObject({ key: expect.stringMatching(/^key_console[0-9a-z]{16}$/) });
    }, 10_000);
    await network.expectMoneyBalances();
  });

  test.each<[string, Record<string, string | undefined>]>([
    ['without the header of the console', { 'x-dinf-console': undefined }],
    ['from another site', { origin: 'https://evil.example' }],
    [
      'from another port of this machine',
      { origin: 'http://127.0.0.1:1', 'sec-fetch-site': 'same-site' },
    ],
    ['from a page without an origin', { origin: 'null', 'sec-fetch-site': 'cross-site' }],
    ['that names no origin', { origin: undefined, 'sec-fetch-site': undefined }],
  ])('%s changes nothing', async (_, sent) => {
    const browser = await signedIn(network, ann);
    const headers = Object.fromEntries(
      Object.entries({ ...browser.headers(), ...sent }).flatMap(([name, value]) =>
        value === undefined ? [] : [[name, value]],
      ),
    );
    const before = (await ann.ask('GET', '/v1/keys')).json;
    for (const path of ['/v1/keys', '/v1/chat/completions', '/v1/billing/withdrawals']) {
      const refused = await network.ask('POST', path, { body: { name: 'stolen' }, headers });
      expect([refused.status, refused.json.error.code], path).toEqual([403, 'forbidden']);
    }
    const ended = await network.ask('DELETE', '/console/sessions', { headers });
    expect(ended.status).toBe(403);
    expect((await ann.ask('GET', '/v1/keys')).json).toEqual(before);
    expect((await browser.ask('GET', '/console/session')).status).toBe(200);
  });

  test('approves a machine that shows a code, which then belongs to the account', async () => {
    const asked = await network.ask('POST', '/v1/device/code', { body: { client_id: 'test' } });
    const browser = await signedIn(network, ann);
    const approved = await browser.ask('POST', '/v1/device/approve', {
      user_code: asked.json.user_code,
    });
    expect(approved.json).toEqual({ approved: true });
    const { json } = await network.ask('POST', '/v1/device/token', {
      body: {
        grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
        device_code: asked.json.device_code,
      },
    });
    await network.ask('POST', '/v1/providers/enrol', {
      body: { token: json.access_token, user_key: Nkey.create('user').getPublicKey(), name: 'mac' },
    });
    const machines = (await browser.ask('GET', '/v1/me/providers')).json.data;
    expect(machines).toContainEqual(expect.objectContaining({ name: 'mac' }));
  });

  test('is not readable for a page of another site', async () => {
    const browser = await signedIn(network, ann);
    const headers = { ...browser.headers(), origin: 'https://evil.example' };
    const read = await network.ask('GET', '/v1/models', { headers });
    expect(read.status).toBe(403);
    expect(read.headers.get('access-control-allow-origin')).toBeNull();
    expect(read.headers.get('access-control-allow-credentials')).toBeNull();
  });

  test('is refused if another program of this host has added a cookie of this name', async () => {
    const browser = await signedIn(network, ann);
    browser.cookie = `${browser.cookie}; dinf-session=cs-db-of-an-attacker`;
    expect((await browser.ask('GET', '/v1/me')).status).toBe(401);
  });

  test('cannot open a WebSocket, for which a browser sends cookies from every site', async () => {
    const { cookie } = await signedIn(network, ann);
    const { status } = await rawAnswer('GET', '/v1/responses', {
      connection: 'upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': Buffer.alloc(16).toString('base64'),
      origin: 'https://evil.example',
      cookie: cookie ?? '',
    });
    expect(status).toBe(403);
  });

  test('has no rights on the routes of operators', async () => {
    const config = { admin: { host: '127.0.0.1', port: 0 } };
    await using other = await startTestNetwork({ providers: 0, tokenMs: 0, config });
    const browser = await signedIn(other, await other.person('ann'));
    const admin = other.network.coordinator.adminUrl;
    const headers = browser.headers();
    expect((await other.ask('GET', `${admin}/admin/audit`, { headers })).status).toBe(401);
  });
});

describe('a session', () => {
  test('ends when its person signs out, and its cookie is dropped', async () => {
    const browser = await signedIn(network, ann);
    const stolen = new ConsoleBrowser(network, browser.cookie);
    expect((await browser.ask('DELETE', '/console/session')).json).toEqual({ ended: 1 });
    expect(browser.cookie).toBeUndefined();
    await vi.waitFor(
      async () => expect((await stolen.ask('GET', '/v1/me')).status).toBe(401),
      10_000,
    );
  });

  test('ends on every ingress when its person signs out everywhere', async () => {
    const here = await signedIn(network, bob);
    const there = await signedIn(network, bob);
    const other = await signedIn(network, ann);
    await using second = await network.secondIngress();
    const atSecond = () =>
      network.ask('GET', `${second.url}/v1/me`, {
        headers: { ...there.headers(), origin: second.url.replace(/\/$/, '') },
      });
    expect((await atSecond()).status).toBe(200);
    await here.ask('DELETE', '/console/sessions');
    await vi.waitFor(async () => {
      expect((await there.ask('GET', '/v1/me')).json.error.code).toBe('signed_out');
      expect((await atSecond()).status).toBe(401);
    }, 10_000);
    expect((await other.ask('GET', '/v1/me')).status).toBe(200);
  });

  test('can be ended by another one of the same account only', async () => {
    const [first, second, stranger] = await Promise.all([
      signedIn(network, bob),
      signedIn(network, bob),
      signedIn(network, ann),
    ]);
    const { data } = (await first.ask('GET', '/console/sessions')).json;
    const { id } = data.find((each: { is_current: boolean }) => each.is_current);
    expect((await stranger.ask('GET', '/console/sessions')).text).not.toContain(id);
    expect((await stranger.ask('DELETE', `/console/sessions/${id}`)).status).toBe(404);
    expect((await first.ask('GET', '/v1/me')).status).toBe(200);
    expect((await second.ask('DELETE', `/console/sessions/${id}`)).status).toBe(200);
    await vi.waitFor(
      async () => expect((await first.ask('GET', '/v1/me')).status).toBe(401),
      10_000,
    );
  });

  test('of a suspended account does nothing until the suspension ends', async () => {
    const carol = await network.person('carol');
    const browser = await signedIn(network, carol);
    const { bus } = network.network.coordinator;
    const { account } = carol;
    await bus.call(services.accounts.suspendAccount, { account, reason: 'test' }, CALL);
    await vi.waitFor(
      async () =>
        expect((await browser.ask('GET', '/v1/me')).json.error?.code).toBe('account_suspended'),
      10_000,
    );
    expect((await new ConsoleBrowser(network).signIn(await codeFor(network, carol))).status).toBe(
      403,
    );
    await bus.call(services.accounts.resumeAccount, { account }, CALL);
    await vi.waitFor(
      async () => expect((await browser.ask('GET', '/v1/me')).status).toBe(200),
      10_000,
    );
  });

  test('replaces the least recently used one when the account has the most that it may', async () => {
    const dora = await network.person('dora');
    const first = await signedIn(network, dora);
    for (let started = 0; started < MAX_CONSOLE_SESSIONS; started += 1)
      await signedIn(network, dora);
    await vi.waitFor(
      async () => expect((await first.ask('GET', '/v1/me')).status).toBe(401),
      10_000,
    );
    const last = await signedIn(network, dora);
    expect((await last.ask('GET', '/console/sessions')).json.data).toHaveLength(
      MAX_CONSOLE_SESSIONS,
    );
  });
});
