import pino from 'pino';
import { expect, test } from 'vitest';
import { createServer } from '#http-api/server.ts';
import type { AddressLimiter } from '../limits/address-limiter.ts';
import type { GuessLimiter } from '../limits/guess-limiter.ts';
import { Api } from './api.ts';
import { addMachinesRoutes } from './machines-routes.ts';

const server = createServer({
  log: pino({ level: 'silent' }),
  trustedProxies: [],
  headersTimeoutMs: 1_000,
  requestTimeoutMs: 1_000,
});
addMachinesRoutes({
  api: new Api(server, { user: async () => undefined }, undefined as never),
  server,
  strangers: {} as AddressLimiter,
  guesses: {} as GuessLimiter,
  linkUrl: undefined,
  now: Date.now,
});

test.each([
  ['no body', 'application/json', '', 'invalid_request'],
  ['no JSON', 'application/json', 'a=1', 'invalid_request'],
  ['no type of grant', 'application/x-www-form-urlencoded', 'device_code=1', 'invalid_request'],
  ['another type of grant', 'application/json', '{"grant_type":"x"}', 'unsupported_grant_type'],
  ['a code of another type', 'application/json', '{"device_code":1}', 'invalid_request'],
  ['a body of another type', 'text/plain', 'a=1', 'invalid_request'],
])('a request for a token with %s gets an error of OAuth', async (_name, type, body, error) => {
  const answer = await server.inject({
    method: 'POST',
    url: '/v1/device/token',
    headers: { 'content-type': type },
    body,
  });
  expect(answer.statusCode).toBeGreaterThanOrEqual(400);
  expect(answer.json()).toMatchObject({ error });
});
