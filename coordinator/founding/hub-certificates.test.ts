import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, connect as tlsConnect } from 'node:tls';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { expiryOf } from './certificate-expiry.ts';
import { prepareAuthority, prepareHubCertificate } from './hub-certificates.ts';

const NOW = Date.now();
const DAY_MS = 86_400_000;
let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dinf-tls-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const prepare = async (names: readonly string[], now = NOW) =>
  prepareHubCertificate({
    authority: await prepareAuthority(folder, now),
    folder: join(folder, 'tls'),
    names,
    now,
  });

test('a hub proves its names and addresses to a client that trusts only the authority', async () => {
  const names = ['hub.example.org', '127.0.0.1'];
  const { certificateFile, keyFile, caFile } = await prepare(names);
  const server = createServer({
    cert: await readFile(certificateFile),
    key: await readFile(keyFile),
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const open = async (options: object) => {
    const socket = tlsConnect({ host: '127.0.0.1', port, ...options });
    try {
      await once(socket, 'secureConnect');
      return socket.authorized;
    } finally {
      socket.destroy();
    }
  };
  try {
    const ca = await readFile(caFile);
    await expect(open({ ca })).resolves.toBe(true);
    await expect(open({ ca, servername: 'hub.example.org' })).resolves.toBe(true);
    await expect(open({ ca, servername: 'other.example.org' })).rejects.toThrow(/altnames/i);
    await expect(open({})).rejects.toThrow(/verify|self-signed/i);
  } finally {
    server.close();
  }
});

test('authority and certificates are kept by further starts', async () => {
  const first = await prepare(['hub.example.org']);
  const before = await readFile(first.certificateFile, 'utf8');
  expect(first.isNew).toBe(true);
  expect((await prepare(['hub.example.org'])).isNew).toBe(false);
  expect(await readFile(first.certificateFile, 'utf8')).toBe(before);
});

test('a certificate that expires soon, or lacks a name, is replaced under the same authority', async () => {
  const { caFile, certificateFile } = await prepare(['hub.example.org']);
  const authority = await readFile(caFile, 'utf8');
  expect((await prepare(['hub.example.org'], NOW + 330 * DAY_MS)).isNew).toBe(false);
  expect((await prepare(['hub.example.org'], NOW + 340 * DAY_MS)).isNew).toBe(true);
  expect((await prepare(['hub.example.org', '10.0.0.1'], NOW + 340 * DAY_MS)).isNew).toBe(true);
  const pem = await readFile(certificateFile, 'utf8');
  expect(expiryOf(pem)).toBeGreaterThan(NOW + 700 * DAY_MS);
  expect(await readFile(caFile, 'utf8')).toBe(authority);
  expect(new X509Certificate(pem).verify(new X509Certificate(authority).publicKey)).toBe(true);
});
