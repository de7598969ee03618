import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startOidcIssuer } from '#network';
import { IssuerDocument } from '../../identity/issuer-document.ts';
import { TokenVerifier } from '../../identity/token-verifier.ts';
import { CodeFlow } from './code-flow.ts';

const CALLBACK = 'https://api.example.org/console/oidc/callback';

interface Sent {
  readonly headers: IncomingHttpHeaders;
  readonly fields: URLSearchParams;
}

/** An issuer that notes what its token endpoint receives. */
let server: Server;
let issuer: string;
let sent: Sent[];
let document: Record<string, unknown>;
let answer: { status: number; headers?: Record<string, string>; body: string };

beforeEach(async () => {
  sent = [];
  answer = { status: 200, body: JSON.stringify({ id_token: 'a token' }) };
  server = createServer(async (request, response) => {
    if (request.url !== '/token')
      return response.end(JSON.stringify({ issuer, jwks_uri: `${issuer}/keys`, ...document }));
    const { headers } = request;
    sent.push({ headers, fields: new URLSearchParams(await text(request)) });
    response.writeHead(answer.status, answer.headers).end(answer.body);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  document = {
    authorization_endpoint: `${issuer}/authorize?tenant=1`,
    token_endpoint: `${issuer}/token`,
  };
});
afterEach(() => new Promise<void>((closed) => server.close(() => closed())));

const flowWith = (clientSecret?: string) =>
  new CodeFlow({ document: new IssuerDocument(issuer), clientId: 'dinf console', clientSecret });

describe('the sign-in at an issuer', () => {
  test('sends the person with new random values and the digest of the proof', async () => {
    const flow = flowWith();
    const [pending, other] = [flow.begin(), flow.begin()];
    const url = new URL(await flow.authorizationUrl(pending, CALLBACK));
    expect(url.searchParams.get('tenant')).toBe('1');
    expect(url.searchParams.get('redirect_uri')).toBe(CALLBACK);
    expect(url.searchParams.get('state')).toBe(pending.state);
    expect(url.href).not.toContain(pending.verifier);
    const values = [pending, other].flatMap((each) => Object.values(each));
    expect(new Set(values).size).toBe(values.length);
  });

  test('proves with the code that the same program began it, and sends the secret if there is one', async () => {
    expect(await flowWith().idToken('the code', 'the proof', CALLBACK)).toBe('a token');
    await flowWith('a+secret').idToken('the code', 'the proof', CALLBACK);
    expect(Object.fromEntries(sent[0]?.fields ?? [])).toEqual({
      grant_type: 'authorization_code',
      code: 'the code',
      redirect_uri: CALLBACK,
      client_id: 'dinf console',
      code_verifier: 'the proof',
    });
    expect(sent.map(({ headers }) => headers.authorization)).toEqual([
      undefined,
      `Basic ${Buffer.from('dinf%20console:a%2Bsecret').toString('base64')}`,
    ]);
  });

  test.each([
    ['refuses the code', { status: 400, body: '{"error":"invalid_grant"}' }, 'invalid_token'],
    ['fails', { status: 502, body: 'oops' }, 'service_unavailable'],
    ['answers with no JSON', { status: 200, body: '<html>' }, 'service_unavailable'],
    [
      'sends the code elsewhere',
      { status: 307, headers: { location: 'http://127.0.0.1:1/' }, body: '' },
      'service_unavailable',
    ],
  ])('fails if the issuer %s', async (_, answered, code) => {
    answer = answered;
    await expect(flowWith().idToken('the code', 'the proof', CALLBACK)).rejects.toMatchObject({
      code,
    });
  });

  test('is not offered by an issuer whose addresses would send codes without TLS', async () => {
    document = {
      authorization_endpoint: 'http://issuer.example/authorize',
      token_endpoint: 'http://issuer.example/token',
    };
    const flow = flowWith();
    await expect(flow.authorizationUrl(flow.begin(), CALLBACK)).rejects.toMatchObject({
      code: 'not_configured',
    });
    await expect(flow.idToken('the code', 'the proof', CALLBACK)).rejects.toMatchObject({
      code: 'not_configured',
    });
  });
});

test('a token of another sign-in is refused, because it has another nonce', async () => {
  await using local = await startOidcIssuer();
  const config = { issuer: local.url, audience: local.audience, algorithms: ['ES256'] };
  const log = pino({ level: 'silent' });
  const verifier = new TokenVerifier(config, new IssuerDocument(local.url), log);
  const token = await local.signIn({ subject: 'ann' });
  expect(await verifier.verify(token)).toMatchObject({ subject: 'ann' });
  await expect(verifier.verify(token, 'a nonce')).rejects.toMatchObject({ code: 'invalid_token' });
});
