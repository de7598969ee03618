import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createServer } from '#http-api/server.ts';
import { addPageRoutes } from './page-routes.ts';

const SCRIPT = 'console.log("a script");'.repeat(10);

let folder: string;
let server: FastifyInstance;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dinf-console-'));
  await mkdir(join(folder, 'dist', 'assets'), { recursive: true });
  await writeFile(join(folder, 'secret.json'), 'a secret of the machine');
  server = createServer({
    log: pino({ level: 'silent' }),
    trustedProxies: [],
    headersTimeoutMs: 1_000,
    requestTimeoutMs: 1_000,
  });
  addPageRoutes(server, join(folder, 'dist'));
});
afterEach(() => rm(folder, { recursive: true }));

async function build(): Promise<void> {
  const assets = join(folder, 'dist', 'assets');
  await writeFile(join(assets, 'index-4f2a.js'), SCRIPT);
  await writeFile(join(assets, 'index-4f2a.js.br'), brotliCompressSync(SCRIPT));
  await writeFile(join(assets, 'index-4f2a.js.gz'), gzipSync(SCRIPT));
  await writeFile(join(assets, 'main.ts'), 'not for browsers');
  await writeFile(join(folder, 'dist', 'favicon.svg'), '<svg/>');
  await writeFile(join(folder, 'dist', 'index.html'), '<!doctype html><p>the console</p>');
}

describe('the console', () => {
  test.each(['/', '/keys', '/machines/AB12', '/sign-in', '/link?user_code=WDJB-MJHT'])(
    'is the same page at %s, which no cache stores',
    async (url) => {
      await build();
      const { statusCode, body, headers } = await server.inject({ url });
      expect([statusCode, body]).toEqual([200, '<!doctype html><p>the console</p>']);
      expect(headers).toMatchObject({
        'cache-control': 'no-store',
        'content-type': 'text/html; charset=utf-8',
        'cross-origin-opener-policy': 'same-origin',
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
      });
    },
  );

  test('may run only its own scripts, call only its own server, and be in no frame', async () => {
    await build();
    const { headers } = await server.inject({ url: '/' });
    const policy = String(headers['content-security-policy']);
    for (const rule of [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "connect-src 'self'",
      "frame-ancestors 'none'",
    ])
      expect(policy.split('; ')).toContain(rule);
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
  });

  test('has files that caches store for ever, in the smallest form that the browser reads', async () => {
    await build();
    const url = '/assets/index-4f2a.js';
    const ask = (accepted: string) =>
      server.inject({ url, headers: { 'accept-encoding': accepted } });
    const [brotli, gzip, plain] = await Promise.all(
      ['gzip, deflate, br', 'gzip;q=0.8', 'identity'].map(ask),
    );
    expect(brotli?.headers).toMatchObject({
      'cache-control': 'public, max-age=31536000, immutable',
      'content-encoding': 'br',
      'content-type': 'text/javascript; charset=utf-8',
      vary: 'accept-encoding',
    });
    expect(brotli?.rawPayload).toEqual(brotliCompressSync(SCRIPT));
    expect(gzip?.headers['content-encoding']).toBe('gzip');
    expect([plain?.headers['content-encoding'], plain?.body]).toEqual([undefined, SCRIPT]);
    expect((await server.inject({ url: '/favicon.svg' })).statusCode).toBe(200);
  });

  test.each([
    '/assets/none.js',
    '/assets/main.ts',
    '/assets/index-4f2a.js.br',
    '/assets/../../secret.json',
    '/assets/..%2f..%2fsecret.json',
    '/assets/%2e%2e/%2e%2e/secret.json',
    '/assets/..\\..\\secret.json',
    '/robots.txt',
    '/no-such-page',
  ])('has no file %s', async (url) => {
    await build();
    const { statusCode, body } = await server.inject({ url });
    expect(statusCode).toBe(404);
    expect(body).not.toContain('a secret');
  });

  test('says how to build it, and is there after that without a restart', async () => {
    const { statusCode, body } = await server.inject({ url: '/keys' });
    expect([statusCode, body]).toEqual([503, expect.stringContaining('Build it with')]);
    const link = await server.inject({ url: '/link?user_code=WDJB-MJHT' });
    expect([link.statusCode, link.body]).toEqual([200, expect.stringContaining('WDJB-MJHT')]);
    await build();
    expect((await server.inject({ url: '/keys' })).statusCode).toBe(200);
  });
});
