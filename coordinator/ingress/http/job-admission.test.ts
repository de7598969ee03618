import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createServer } from '#http-api/server.ts';
import { AdmissionQueue } from '../admission-queue.ts';
import { earlyRefusal, mayBegin } from './job-admission.ts';

const MOST_MS = 1;
const SERVER = {
  log: pino({ level: 'silent' }),
  trustedProxies: [],
  headersTimeoutMs: 1_000,
  requestTimeoutMs: 1_000,
};

let now = 0;
let read = 0;
let admission: AdmissionQueue;
let server: ReturnType<typeof createServer>;
beforeEach(() => {
  [now, read] = [0, 0];
  admission = new AdmissionQueue({ mostMs: MOST_MS, clock: () => now });
  server = createServer(SERVER);
  server.post(
    '/v1/chat/completions',
    { onRequest: earlyRefusal({ admission }), preValidation: countRead },
    async () => {
      await mayBegin({ admission, isClosed: () => false });
      return { ok: true };
    },
  );
});
afterEach(() => server.close());

async function countRead(): Promise<void> {
  read += 1;
}

const ask = () =>
  server.inject({
    method: 'POST',
    url: '/v1/chat/completions',
    headers: { 'content-type': 'application/json' },
    payload: '{}',
  });

test('an overloaded ingress answers 429 with Retry-After before it reads the body, and serves again when it can', async () => {
  expect((await ask()).statusCode).toBe(200);
  // More than begin in two turns, of which the second takes four seconds.
  const waiting = Array.from({ length: 300 }, () => admission.enter());
  await turn();
  now += 4_000;
  await turn();
  expect(admission.isFull).toBe(true);
  read = 0;
  const refused = await server.inject({ method: 'POST', url: '/v1/chat/completions' });
  expect([refused.statusCode, refused.json().error.code]).toEqual([429, 'overloaded']);
  expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1);
  expect(read).toBe(0);
  await Promise.all(waiting);
  expect((await ask()).statusCode).toBe(200);
});

test('an ingress that is stopping refuses new requests', async () => {
  await expect(mayBegin({ admission, isClosed: () => true })).rejects.toMatchObject({
    code: 'draining',
  });
});
