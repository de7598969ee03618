import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { issueCertificate, pemOf } from '#coordinator/founding/issue-certificate.ts';
import { createServer, limitsOfNode } from '#http-api/server.ts';
import { startTlsListener } from './tls-listener.ts';

const HOUR_MS = 3_600_000;
const LIMITS = { headersTimeoutMs: 10_000, requestTimeoutMs: 10_000 };
const log = pino({ level: 'silent' });
let folder = '';
let lines: string[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dinf-https-'));
  lines = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const certificateFile = () => join(folder, 'cert.pem');
const keyFile = () => join(folder, 'key.pem');

function newPair(name: string) {
  const { der, key } = issueCertificate({
    name,
    from: new Date(Date.now() - HOUR_MS),
    until: new Date(Date.now() + HOUR_MS),
    keys: 'P-256',
    hash: 'sha256',
  });
  return {
    cert: pemOf(der),
    key: key.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
}

async function startListener() {
  const server = createServer({ log, trustedProxies: [], ...LIMITS });
  server.get('/name', async ({ protocol }) => ({ protocol }));
  await server.ready();
  const listening = await startTlsListener({
    server,
    https: { host: '127.0.0.1', port: 0, certificateFile: certificateFile(), keyFile: keyFile() },
    sharesPort: false,
    limits: limitsOfNode(LIMITS),
    log: pino({ level: 'info' }, { write: (line) => void lines.push(line) }),
    metrics: new Registry(),
    checkMs: 20,
  });
  return {
    url: listening.url,
    [Symbol.asyncDispose]: async () => {
      await listening[Symbol.asyncDispose]();
      await server.close();
    },
  };
}

/** Sends a request on a new connection. Returns the answer and the name in the certificate. */
const ask = (url: string): Promise<{ body: unknown; name: string | string[] | undefined }> =>
  new Promise((resolve, reject) => {
    get(`${url}/name`, { rejectUnauthorized: false, agent: false }, (response) => {
      const { subject } = (
        response.socket as unknown as { getPeerCertificate(): { subject: { CN: string } } }
      ).getPeerCertificate();
      response
        .on('data', (data) => resolve({ body: JSON.parse(String(data)), name: subject.CN }))
        .on('error', reject);
    }).on('error', reject);
  });

const write = async ({ cert, key }: { cert: string; key: string }): Promise<void> => {
  await writeFile(certificateFile(), cert);
  await writeFile(keyFile(), key);
};

test('the routes answer by TLS, and new connections get a renewed certificate', async () => {
  await write(newPair('first'));
  await using listener = await startListener();
  expect(await ask(listener.url)).toEqual({ body: { protocol: 'https' }, name: 'first' });
  await write(newPair('second'));
  await vi.waitFor(async () => expect((await ask(listener.url)).name).toBe('second'));
});

test('a certificate without its key does not replace the one in use', async () => {
  await write(newPair('first'));
  await using listener = await startListener();
  await writeFile(certificateFile(), newPair('of another key').cert);
  await vi.waitFor(() => expect(lines.join()).toContain('cannot be used; the old one stays'));
  expect((await ask(listener.url)).name).toBe('first');
});

test('a key of another certificate stops the start', async () => {
  await write({ cert: newPair('first').cert, key: newPair('second').key });
  await expect(startListener()).rejects.toThrow(/does not belong to the certificate/);
});
