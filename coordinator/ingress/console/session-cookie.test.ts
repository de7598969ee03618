import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { createServer } from '#http-api/server.ts';
import { checkConsolePage } from './same-origin.ts';
import {
  checkCookieAllowed,
  pendingCookieOf,
  sessionCookieOf,
  setPendingCookie,
  setSessionCookie,
} from './session-cookie.ts';

const PROXY = '192.0.2.1';
const day = { value: 'a-secret', maxAgeMs: 86_400_999 };

/** A server with one route that sets both cookies, and one that reads them. */
function serverBehind(trustedProxies: readonly string[]) {
  const server = createServer({
    log: pino({ level: 'silent' }),
    trustedProxies,
    headersTimeoutMs: 1_000,
    requestTimeoutMs: 1_000,
  });
  server.get('/set', async (request, reply) => {
    checkCookieAllowed(request);
    setSessionCookie({ request, reply }, day);
    setPendingCookie({ request, reply }, day);
    return 'set';
  });
  server.post('/read', async (request) => {
    checkConsolePage(request);
    return { session: sessionCookieOf(request), pending: pendingCookieOf(request) };
  });
  return server;
}

const throughProxy = { host: 'api.example.org', 'x-forwarded-proto': 'https' };

describe('over TLS', () => {
  test('the browser accepts the cookies from this host only, and sends them over TLS only', async () => {
    const { headers } = await serverBehind([PROXY]).inject({
      url: '/set',
      headers: throughProxy,
      remoteAddress: PROXY,
    });
    expect(headers['set-cookie']).toEqual([
      '__Host-dinf-session=a-secret; Max-Age=86400; Path=/; HttpOnly; SameSite=Strict; Secure',
      '__Host-dinf-sign-in=a-secret; Max-Age=86400; Path=/; HttpOnly; SameSite=Lax; Secure',
    ]);
  });

  test('a cookie without the prefix, which another subdomain may have set, is not read', async () => {
    const read = async (cookie: string) =>
      (
        await serverBehind([PROXY]).inject({
          method: 'POST',
          url: '/read',
          headers: {
            ...throughProxy,
            origin: 'https://api.example.org',
            'x-dinf-console': '1',
            cookie,
          },
          remoteAddress: PROXY,
        })
      ).json();
    expect(await read('dinf-session=planted')).toEqual({});
    expect(await read('x=1; __Host-dinf-session=own; dinf-session=planted')).toEqual({
      session: 'own',
    });
    expect(await read('__Host-dinf-session=one; __Host-dinf-session=two')).toEqual({});
    expect(await read(`__Host-dinf-session=${'x'.repeat(1_000)}`)).toEqual({});
  });
});

describe('without TLS', () => {
  test.each(['127.0.0.1:8080', 'localhost:8080', '[::1]:8080'])(
    'a browser at %s gets the cookies',
    async (host) => {
      const { headers } = await serverBehind([]).inject({ url: '/set', headers: { host } });
      expect(headers['set-cookie']).toEqual([
        'dinf-session=a-secret; Max-Age=86400; Path=/; HttpOnly; SameSite=Strict',
        'dinf-sign-in=a-secret; Max-Age=86400; Path=/; HttpOnly; SameSite=Lax',
      ]);
    },
  );

  test.each([
    ['at another host', { host: 'studio.local:8080' }],
    ['at a host whose name only begins like loopback', { host: '127.0.0.1.evil.example' }],
    ['that claims TLS although its proxy is not trusted', throughProxy],
  ])('a browser %s gets none', async (_, headers) => {
    const answer = await serverBehind([]).inject({ url: '/set', headers });
    expect([answer.statusCode, answer.headers['set-cookie']]).toEqual([403, undefined]);
  });

  test('a page of another port or scheme of this host is another site', async () => {
    const ask = async (origin: string) =>
      (
        await serverBehind([]).inject({
          method: 'POST',
          url: '/read',
          headers: { host: '127.0.0.1:8080', 'x-dinf-console': '1', origin },
        })
      ).statusCode;
    expect(await ask('http://127.0.0.1:8080')).toBe(200);
    for (const origin of [
      'http://127.0.0.1:8081',
      'https://127.0.0.1:8080',
      'http://127.0.0.1',
      'http://127.0.0.1:8080.evil.example',
      'null',
    ])
      expect(await ask(origin), origin).toBe(403);
  });
});
