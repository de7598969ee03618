import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { connect, credsAuthenticator } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hubConfig } from '#coordinator/founding/hub-config.ts';
import { openOperatorHome } from '#coordinator/founding/operator-home.ts';
import { cacheFolder, findNatsServer, startNatsServer } from '#provider';
import { DINF } from '../dinf-program.ts';

const run = promisify(execFile);
let home = '';
/** Nothing listens on this port. */
const NO_HUB = 'nats://127.0.0.1:1';
let hubUrl = NO_HUB;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'dinf-rotate-'));
  await network('init', '--hub', 'hub.example.org');
}, 60_000);
afterAll(() => rm(home, { recursive: true, force: true }));

/** Runs `dinf network …` in the home of the test. */
async function network(...args: string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [DINF, 'network', ...args], {
    env: { ...process.env, DINF_HOME: home, DINF_NATS_URL: hubUrl, NO_COLOR: '1' },
    timeout: 30_000,
  });
  return stdout;
}
const rotate = (...args: string[]) => network('rotate', ...args);
const keys = (...parts: string[]) => join(home, 'keys', ...parts);

test('the rotation of the signing key writes new configurations for the hubs and says what to do', async () => {
  await expect(rotate('signing')).rejects.toMatchObject({
    code: 64,
    stderr: expect.stringContaining('--step begin, then --step finish'),
  });
  const before = await readFile(keys('operator.jwt'), 'utf8');
  const begun = await rotate('signing', '--step', 'begin');
  expect(begun).toContain('nats-server.conf.new');
  expect(begun).toContain('Restart trust');
  const token = await readFile(keys('operator.jwt'), 'utf8');
  expect(token).not.toBe(before);
  const configuration = join(home, 'hubs', 'hub-1', 'nats-server.conf.new');
  expect(await readFile(configuration, 'utf8')).toContain(token);
  await expect(rotate('signing', '--step', 'begin')).rejects.toMatchObject({
    stderr: expect.stringContaining('has begun already'),
  });
  expect(await rotate('signing', '--step', 'finish')).toContain('the old key is worth nothing');
}, 60_000);

test('the authority of the hubs is rotated in three steps, of which the second issues certificates', async () => {
  const certificate = join(home, 'hubs', 'hub-1', 'tls', 'hub.pem');
  const before = await readFile(certificate, 'utf8');
  expect(await rotate('hub-ca', '--step', 'begin')).toContain('Wait an hour');
  expect(await readFile(certificate, 'utf8')).toBe(before);
  await rotate('hub-ca', '--step', 'switch');
  expect(await readFile(certificate, 'utf8')).not.toBe(before);
  await rotate('hub-ca', '--step', 'finish');
  const accepted = await readFile(join(home, 'hubs', 'hub-1', 'tls', 'hub-ca.pem'), 'utf8');
  expect(accepted).toBe(await readFile(keys('hub-ca.pem'), 'utf8'));
  expect(accepted.match(/BEGIN CERTIFICATE/g)).toHaveLength(1);
}, 60_000);

test('the keys of log and receipts are rotated in one step', async () => {
  expect(await rotate('log')).toMatch(/The key of the log is [0-9a-f]{64}/);
  await rotate('receipts');
  expect((await readdir(keys('receipts'))).toSorted()).toEqual(['0001.pem', '0002.pem']);
  await expect(rotate('log', '--step', 'begin')).rejects.toMatchObject({ code: 64 });
}, 60_000);

test('credentials of the bus are replaced, and the old ones are revoked at the hubs', async () => {
  const leaked = await readFile(keys('core.creds'));
  // The accounts that the hub has from the start do not name the revoked user.
  const operator = await openOperatorHome(keys());
  const begun = await rotate('core-creds', '--step', 'begin');
  expect(begun).toContain('Copy core.creds to the keys of every coordinator');
  expect(await readFile(keys('core.creds'))).not.toEqual(leaked);
  await expect(rotate('core-creds', '--step', 'finish')).rejects.toMatchObject({
    code: 69,
    stderr: expect.stringContaining('did not accept the revocation'),
  });
  const { path: binary } = await findNatsServer({ cacheDir: cacheFolder(process.env) });
  await using hub = await startNatsServer({
    binary,
    home: join(home, 'running-hub'),
    config: (place) => hubConfig(place, { operator }),
  });
  hubUrl = hub.clientUrl;
  expect(await rotate('core-creds', '--step', 'finish')).toContain('refuse the old credentials');
  const signIn = (credentials: Uint8Array) =>
    connect({ servers: hub.clientUrl, authenticator: credsAuthenticator(credentials) });
  await expect(signIn(leaked)).rejects.toThrow(/Authorization/);
  await (await signIn(await readFile(keys('core.creds')))).close();
}, 60_000);
