import pino from 'pino';
import { describe, expect, test } from 'vitest';
import { createServer } from './server.ts';

const server = createServer({
  log: pino({ level: 'silent' }),
  trustedProxies: [],
  headersTimeoutMs: 1_000,
  requestTimeoutMs: 1_000,
});
server.post('/v1/messages', { config: { isForBrowsers: true } }, async () => ({}));
server.get('/v1/keys/:id', async () => ({}));
server.delete('/v1/keys/:id', async () => ({}));

describe('a request without a route', () => {
  test('gets 405 and the methods of its path', async () => {
    const answer = await server.inject({ method: 'PUT', url: '/v1/keys/abc?x=1' });
    expect(answer.statusCode).toBe(405);
    expect(answer.headers['allow']).toBe('DELETE, GET, HEAD');
    expect(answer.json()).toMatchObject({ error: { code: 'method_not_allowed' } });
  });

  test.each(['QUERY', 'PROPFIND', 'PUT'])('gets 405 for %s whatever its body', async (method) => {
    const answer = await server.inject({
      method: method as 'PUT',
      url: '/v1/keys/abc',
      headers: { 'content-type': 'image/png' },
      body: 'x',
    });
    expect(answer.statusCode).toBe(405);
    expect(answer.headers['allow']).toBe('DELETE, GET, HEAD');
  });

  test('gets 404 where the path is unknown', async () => {
    const answer = await server.inject({ method: 'GET', url: '/v1/keys' });
    expect(answer.json()).toMatchObject({ error: { code: 'not_found' } });
  });

  test.each([
    ['GET', '/v1/messages', 405],
    ['POST', '/v1/messages/batches', 404],
  ] as const)('%s %s gets an error that Anthropic’s clients read', async (method, url, status) => {
    const answer = await server.inject({ method, url });
    expect(answer.statusCode).toBe(status);
    expect(answer.json()).toMatchObject({ type: 'error', error: { type: expect.any(String) } });
  });
});

describe('a page of another site', () => {
  const preflight = (url: string) =>
    server.inject({
      method: 'OPTIONS',
      url,
      headers: {
        origin: 'https://example.com',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type',
      },
    });

  test('may call a route for API keys, but never with cookies', async () => {
    const { statusCode, headers } = await preflight('/v1/messages');
    expect(statusCode).toBe(204);
    expect(headers).toMatchObject({
      'access-control-allow-origin': '*',
      'access-control-allow-methods': 'POST',
      'access-control-allow-headers': 'authorization,content-type',
    });
    expect(headers).not.toHaveProperty('access-control-allow-credentials');
    const answer = await server.inject({ method: 'POST', url: '/v1/messages' });
    expect(answer.headers['access-control-allow-origin']).toBe('*');
  });

  test('may not call other routes', async () => {
    const { statusCode, headers } = await preflight('/v1/keys/abc');
    expect(statusCode).toBe(405);
    expect(headers).not.toHaveProperty('access-control-allow-origin');
  });
});

test('a compressed body is refused before it is read', async () => {
  const answer = await server.inject({
    method: 'POST',
    url: '/v1/messages',
    headers: { 'content-encoding': 'gzip', 'content-type': 'application/json' },
    body: Buffer.from([0x1f, 0x8b]),
  });
  expect(answer.statusCode).toBe(415);
});
