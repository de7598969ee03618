import { createHmac } from 'node:crypto';
import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type OidcIssuer, startOidcIssuer } from '#network';
import { startTestNetwork, type TestNetwork } from '../test-network.ts';

let network: TestNetwork;
let issuer: OidcIssuer;

beforeAll(async () => {
  network = await startTestNetwork({ providers: 0, tokenMs: 0 });
  issuer = network.network.issuer as OidcIssuer;
});
afterAll(() => network[Symbol.asyncDispose]());

const me = (token: string) => network.ask('GET', '/v1/me', { token });
const base64 = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
const claims = () => ({
  iss: issuer.url,
  aud: issuer.audience,
  sub: 'mallory',
  exp: Math.floor(Date.now() / 1_000) + 600,
});
const publishedKey = async () =>
  ((await (await fetch(`${issuer.url}/keys`)).json()) as { keys: { kid: string }[] }).keys[0] as {
    kid: string;
  };

describe('a sign-in token', () => {
  test('creates an account at the first use, and belongs to the same account from then on', async () => {
    const first = await me(await issuer.signIn({ subject: 'ann', email: 'ann@example.com' }));
    const second = await me(await issuer.signIn({ subject: 'ann' }));
    expect(first.json).toMatchObject({
      user: expect.stringMatching(/^user_/),
      account: expect.stringMatching(/^acct_/),
      available_micro_usd: 0,
    });
    expect(second.json.account).toBe(first.json.account);
    expect(
      (await me(await issuer.signIn({ subject: 'bob', email: 'ann@example.com' }))).json.account,
    ).not.toBe(first.json.account);
  });

  test('creates one account even if its first twenty requests arrive at once', async () => {
    const token = await issuer.signIn({ subject: 'crowd' });
    const answers = await Promise.all(Array.from({ length: 20 }, () => me(token)));
    expect(new Set(answers.map(({ json }) => json.account)).size).toBe(1);
  });

  test('is accepted with a new key of the issuer, and with the old key while that is published', async () => {
    const before = await issuer.signIn({ subject: 'dora' });
    await issuer.rotate();
    // The coordinator fetches the published keys at most once a second.
    await vi.waitFor(
      async () => expect((await me(await issuer.signIn({ subject: 'dora' }))).status).toBe(200),
      3_000,
    );
    expect((await me(before)).status).toBe(200);
  });
});

test('the network’s own issuer gives tokens only to callers that know its secret', async () => {
  const token = (authorization?: string) =>
    fetch(`${issuer.url}/token?name=ann`, {
      method: 'POST',
      headers: authorization === undefined ? {} : { authorization },
    });
  expect((await token()).status).toBe(401);
  expect((await token('Bearer guess')).status).toBe(401);
  const { id_token: idToken } = (await (await token(`Bearer ${issuer.secret}`)).json()) as {
    id_token: string;
  };
  expect((await me(idToken)).status).toBe(200);
});

describe('a forged or invalid sign-in token is refused:', () => {
  test.each<[string, () => Promise<string>]>([
    ['an expired token', () => issuer.signIn({ subject: 'mallory', lifetimeS: -60 })],
    ['a token without a signature', async () => `${base64({ alg: 'none' })}.${base64(claims())}.`],
    [
      'a token with an HMAC for which the public key is the secret',
      async () => {
        const key = await publishedKey();
        const head = `${base64({ alg: 'HS256', kid: key.kid })}.${base64(claims())}`;
        return `${head}.${createHmac('sha256', JSON.stringify(key)).update(head).digest('base64url')}`;
      },
    ],
    [
      'a token signed with another key under a known key id',
      async () => {
        const { privateKey } = await generateKeyPair('ES256');
        return new SignJWT(claims())
          .setProtectedHeader({ alg: 'ES256', kid: (await publishedKey()).kid })
          .sign(privateKey);
      },
    ],
    [
      'a token that contains its own key',
      async () => {
        const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
        return new SignJWT(claims())
          .setProtectedHeader({ alg: 'ES256', jwk: await exportJWK(publicKey) })
          .sign(privateKey);
      },
    ],
    [
      'a token with an algorithm that is not configured',
      async () => {
        const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
        await exportSPKI(publicKey);
        return new SignJWT(claims())
          .setProtectedHeader({ alg: 'RS256', kid: (await publishedKey()).kid })
          .sign(privateKey);
      },
    ],
    [
      'a token of another issuer',
      async () => {
        await using other = await startOidcIssuer();
        return await other.signIn({ subject: 'mallory' });
      },
    ],
    ['a truncated token', async () => (await issuer.signIn({ subject: 'mallory' })).slice(0, -8)],
    ['a token that is too long', async () => `eyJ${'a'.repeat(9_000)}`],
  ])('%s', async (_, make) => {
    const { status, json } = await me(await make());
    expect([status, json.error.code]).toEqual([401, 'invalid_token']);
  });

  test('a token for another audience', async () => {
    await using other = await startOidcIssuer({ audience: 'somebody-else' });
    const config = { oidc: { issuer: other.url, audience: 'd-inference', algorithms: ['ES256'] } };
    await using elsewhere = await startTestNetwork({ providers: 0, tokenMs: 0, config });
    expect(
      (await elsewhere.ask('GET', '/v1/me', { token: await other.signIn({ subject: 'mallory' }) }))
        .status,
    ).toBe(401);
  });
});

test('while the issuer is unreachable its tokens get a 503, and they are accepted again when it is back', async () => {
  const gone = await startOidcIssuer();
  const token = await gone.signIn({ subject: 'erin' });
  const config = { oidc: { issuer: gone.url, audience: 'd-inference', algorithms: ['ES256'] } };
  await using elsewhere = await startTestNetwork({ providers: 0, tokenMs: 0, config });
  await gone[Symbol.asyncDispose]();
  expect((await elsewhere.ask('GET', '/v1/me', { token })).status).toBe(503);
  await using back = await startOidcIssuer({ port: Number(new URL(gone.url).port) });
  expect(
    (await elsewhere.ask('GET', '/v1/me', { token: await back.signIn({ subject: 'erin' }) }))
      .status,
  ).toBe(200);
});

test('wrong keys from one address are limited; a valid key or token from it is not, even at its first use', async () => {
  const person = await network.person('behind-the-proxy');
  const fresh = await network.createKey({ creditMicroUsd: 1, account: person.account });
  const statuses = [];
  for (let tries = 0; tries < 70; tries += 1)
    statuses.push(
      (await network.ask('GET', '/v1/models', { token: `sk-db-guess${tries}` })).status,
    );
  expect(statuses.filter((status) => status === 401).length).toBeLessThanOrEqual(60);
  expect(statuses.at(-1)).toBe(429);
  expect((await network.ask('GET', '/v1/models', { token: fresh.apiKey })).status).toBe(200);
  expect((await person.ask('GET', '/v1/me')).status).toBe(200);
  expect((await network.ask('GET', '/v1/me', { token: 'eyJhbGciOiJub25lIn0.e30.' })).status).toBe(
    429,
  );
});

test('a forwarding header from a proxy that is not trusted is reported in the log', async () => {
  await network.ask('GET', '/v1/models', {
    token: network.apiKey,
    headers: { 'x-forwarded-for': '192.0.2.7' },
  });
  expect(network.logs()).toContain('set DINF_TRUSTED_PROXIES to the address of the proxy');
});
