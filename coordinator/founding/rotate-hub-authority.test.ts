import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { prepareAuthority, prepareHubCertificate } from './hub-certificates.ts';
import { rotateHubAuthority } from './rotate-hub-authority.ts';

const NOW = Date.now();
let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dinf-authority-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const rotate = (step: 'begin' | 'switch' | 'finish') => rotateHubAuthority(folder, step, NOW);
const accepted = async () =>
  (await readFile(join(folder, 'hub-ca.pem'), 'utf8'))
    .match(/-----BEGIN.*?-----END CERTIFICATE-----/gs)
    ?.map((pem) => new X509Certificate(pem)) ?? [];
/** The certificate of a hub, issued again if the authority has changed. */
const hubCertificate = async () => {
  const { certificateFile } = await prepareHubCertificate({
    authority: await prepareAuthority(folder, NOW),
    folder: join(folder, 'tls'),
    names: ['hub.example.org'],
    now: NOW,
  });
  return new X509Certificate(await readFile(certificateFile, 'utf8'));
};
const signers = async () => {
  const certificate = await hubCertificate();
  return (await accepted()).map((authority) => certificate.verify(authority.publicKey));
};

test('each step accepts the certificates of the step before, and the last one only the new authority', async () => {
  expect(await signers()).toEqual([true]);
  const [old] = await accepted();
  await rotate('begin');
  expect(await signers()).toEqual([true, false]);
  await rotate('switch');
  expect(await signers()).toEqual([true, false]);
  const [next, second] = await accepted();
  expect(second?.fingerprint256).toBe(old?.fingerprint256);
  // TLS libraries look for the issuer by its name.
  expect(next?.subject).not.toBe(old?.subject);
  await rotate('finish');
  expect((await accepted()).map(({ fingerprint256 }) => fingerprint256)).toEqual([
    next?.fingerprint256,
  ]);
  expect(await signers()).toEqual([true]);
  await rotate('begin');
  expect((await accepted())[1]?.subject).toBe('CN=d-inference hubs 3');
});

test('steps in a wrong order are refused, and repeated steps change nothing', async () => {
  await hubCertificate();
  await expect(rotate('switch')).rejects.toThrow(/No rotation has begun/);
  await rotate('begin');
  const begun = await accepted();
  await rotate('begin');
  expect((await accepted()).map(String)).toEqual(begun.map(String));
  await expect(rotate('finish')).rejects.toThrow(/old authority still signs/);
  await rotate('switch');
  await expect(rotate('switch')).rejects.toThrow(/No rotation has begun/);
  await expect(rotate('begin')).rejects.toThrow(/has begun already/);
});

test('a change-over that was interrupted is reported, and completed by a repetition', async () => {
  await hubCertificate();
  await rotate('begin');
  // As a crash leaves the folder: the new key is there, the certificates are the ones from before.
  await writeFile(
    join(folder, 'hub-ca.key'),
    await readFile(join(folder, 'hub-ca.next.key'), 'utf8'),
  );
  await expect(prepareAuthority(folder, NOW)).rejects.toThrow(/--step switch/);
  await rotate('switch');
  expect(await signers()).toEqual([true, false]);
});
