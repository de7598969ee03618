import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { OidcIssuer } from '#network';
import { startTestNetwork, type TestNetwork } from '../test-network.ts';
import { ConsoleBrowser } from './console-browser.ts';

let network: TestNetwork;
let issuer: OidcIssuer;

beforeAll(async () => {
  network = await startTestNetwork({ providers: 0, tokenMs: 0, config: { addressLimit: 100_000 } });
  issuer = network.network.issuer as OidcIssuer;
});
afterAll(() => network[Symbol.asyncDispose]());

/** A browser that follows no redirect by itself, and keeps its cookies. */
class Browser {
  readonly #cookies = new Map<string, string>();

  get session(): string | undefined {
    return this.#cookies.get('dinf-session');
  }

  /** Opens an address of the network, also after a redirect by another site. */
  async open(url: string | URL): Promise<Response> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(new URL(url, network.url), {
      redirect: 'manual',
      headers: { cookie },
    });
    for (const set of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(set) ?? [];
      if (value === '') this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
    return response;
  }

  async begin(path = '/console/oidc/start'): Promise<string> {
    const { status, headers } = await this.open(path);
    expect(status).toBe(302);
    return headers.get('location') ?? '';
  }
}

/** Fills in the page of the issuer. Returns where it sends the browser. */
async function submit(page: string, fields: Record<string, string>): Promise<Response> {
  return fetch(page, { method: 'POST', body: new URLSearchParams(fields), redirect: 'manual' });
}

async function signInAs(name: string, browser: Browser, path?: string): Promise<Response> {
  const page = await browser.begin(path);
  const sent = await submit(page, { name, password: issuer.secret });
  return browser.open(sent.headers.get('location') ?? '');
}

describe('a person who signs in at the issuer', () => {
  test('gets a session of the same account as with a token', async () => {
    const { account } = await network.person('ann');
    const browser = new Browser();
    const done = await signInAs('ann', browser);
    expect([done.status, done.headers.get('location')]).toEqual([302, '/']);
    const session = done.headers.getSetCookie().find((set) => set.startsWith('dinf-session='));
    expect(session).toMatch(/; Path=\/; HttpOnly; SameSite=Strict$/);
    const page = new ConsoleBrowser(network, `dinf-session=${browser.session}`);
    expect((await page.ask('GET', '/console/session')).json).toMatchObject({
      account,
      email: 'ann@localhost',
    });
  });

  test.each([
    ['/link?user_code=WDJB-MJHT', '/link?user_code=WDJB-MJHT'],
    ['/machines/AB', '/machines/AB'],
    ['/console/oidc/start', '/'],
    ['/keys', '/keys'],
    ['//evil.example', '/'],
    ['/\\evil.example', '/'],
    ['https://evil.example/', '/'],
  ])('who came from %s returns to %s', async (from, to) => {
    const path = `/console/oidc/start?return=${encodeURIComponent(from)}`;
    const done = await signInAs('ann', new Browser(), path);
    expect(done.headers.get('location')).toBe(to);
  });

  test('sees the reason on the sign-in page if the account is suspended', async () => {
    const { services } = await import('#bus-schemas');
    const { account } = await network.person('mallory');
    const { bus } = network.network.coordinator;
    const suspension = { account, reason: 'test' };
    await bus.call(services.accounts.suspendAccount, suspension, { timeoutMs: 5_000 });
    const browser = new Browser();
    const done = await signInAs('mallory', browser);
    expect(done.headers.get('location')).toBe('/sign-in#error=account_suspended');
    expect(browser.session).toBeUndefined();
  });
});

describe('no session begins', () => {
  const expectRefused = (browser: Browser, { headers }: Response, code: string) =>
    expect([headers.get('location'), browser.session]).toEqual([
      `/sign-in#error=${code}`,
      undefined,
    ]);

  test('in a browser to which an attacker sends the end of their own sign-in', async () => {
    const attacker = new Browser();
    const sent = await submit(await attacker.begin(), { name: 'eve', password: issuer.secret });
    const end = sent.headers.get('location') ?? '';
    const [stranger, victim] = [new Browser(), new Browser()];
    expectRefused(stranger, await stranger.open(end), 'signed_out');
    await victim.begin();
    expectRefused(victim, await victim.open(end), 'signed_out');
  });

  test('with the code of another sign-in, which has another proof', async () => {
    const [thief, owner] = [new Browser(), new Browser()];
    const sent = await submit(await owner.begin(), { name: 'ann', password: issuer.secret });
    const stolen = new URL(sent.headers.get('location') ?? '').searchParams.get('code') ?? '';
    const page = new URL(await thief.begin());
    const end = new URL(page.searchParams.get('redirect_uri') ?? '');
    end.searchParams.set('code', stolen);
    end.searchParams.set('state', page.searchParams.get('state') ?? '');
    expectRefused(thief, await thief.open(end), 'invalid_token');
  });

  test('twice with one code', async () => {
    const browser = new Browser();
    const sent = await submit(await browser.begin(), { name: 'ann', password: issuer.secret });
    const end = sent.headers.get('location') ?? '';
    expect((await browser.open(end)).headers.get('location')).toBe('/');
    expect((await browser.open(end)).headers.get('location')).toBe('/sign-in#error=signed_out');
  });

  test('if the person refuses at the issuer', async () => {
    const browser = new Browser();
    const page = new URL(await browser.begin());
    const state = page.searchParams.get('state');
    const end = `/console/oidc/callback?error=access_denied&state=${state}`;
    expectRefused(browser, await browser.open(end), 'signed_out');
  });

  test('at a network without an issuer, or with one that does not answer', async () => {
    const oidc = { issuer: 'http://127.0.0.1:1', audience: 'd-inference', algorithms: ['ES256'] };
    await using other = await startTestNetwork({ providers: 0, tokenMs: 0, config: { oidc } });
    const { headers } = await fetch(new URL('/console/oidc/start', other.url), {
      redirect: 'manual',
    });
    expect(headers.get('location')).toBe('/sign-in#error=service_unavailable');
    await using none = await startTestNetwork({
      providers: 0,
      tokenMs: 0,
      config: { oidc: undefined },
    });
    const start = await fetch(new URL('/console/oidc/start', none.url), { redirect: 'manual' });
    expect(start.headers.get('location')).toBe('/sign-in#error=not_configured');
    expect((await none.ask('GET', '/console/oidc')).json).toEqual({ is_configured: false });
  });
});

describe('the sign-in page of the network', () => {
  test('needs the password of the network', async () => {
    const page = await new Browser().begin();
    for (const password of ['', 'guess', issuer.secret.slice(1)]) {
      const answer = await submit(page, { name: 'ann', password });
      expect([answer.status, answer.headers.get('location')]).toEqual([401, null]);
    }
  });

  test('sends people to the console of this machine only, and with a proof only', async () => {
    const page = new URL(await new Browser().begin());
    const changed = (name: string, value: string) => {
      const url = new URL(page);
      url.searchParams.set(name, value);
      return url.href;
    };
    for (const url of [
      changed('redirect_uri', 'https://evil.example/console/oidc/callback'),
      changed('redirect_uri', 'http://127.0.0.1:8080/elsewhere'),
      changed('redirect_uri', 'javascript:alert(1)'),
      changed('client_id', 'another'),
      changed('code_challenge', ''),
      changed('code_challenge_method', 'plain'),
      changed('response_type', 'token'),
    ]) {
      expect((await fetch(url)).status, url).toBe(400);
      expect((await submit(url, { name: 'ann', password: issuer.secret })).status, url).toBe(400);
    }
  });

  test('cannot be shown in a frame of another site, and loads nothing', async () => {
    const { headers } = await fetch(await new Browser().begin());
    expect(headers.get('content-security-policy')).toBe(
      `default-src 'none'; base-uri 'none'; form-action 'self' ${new URL(network.url).origin}; frame-ancestors 'none'`,
    );
  });
});
