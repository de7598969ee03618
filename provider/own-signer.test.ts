import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isSignedByP256, newP256Key, p256Signer, type Signer } from '#bus-schemas';
import {
  type EnclaveKey,
  type EnclaveKeyOrReason,
  openEnclaveKey,
  SecureEnclaveError,
} from '#native';
import { ownSigner } from './own-signer.ts';

const TEXT = Buffer.from('what was done');
const none = (): EnclaveKeyOrReason => ({
  available: false,
  reason: 'A required entitlement isn’t present. (-34018)',
});

/** A P-256 key with the interface of the enclave, which never returns the private key. */
const enclaveKey = (signer: Signer = p256Signer(newP256Key())): EnclaveKey => ({
  available: true,
  ...signer,
});

let home: string;
beforeEach(() => {
  home = join(mkdtempSync(join(tmpdir(), 'dinf-signer-')), 'provider');
});
afterEach(() => rmSync(join(home, '..'), { recursive: true }));

const isPrivate = (name: string) => (statSync(join(home, name)).mode & 0o777) === 0o600;

test.skipIf(process.platform === 'darwin')(
  'without a Secure Enclave the key is in a private file and the same at every start',
  async () => {
    const open = () => openEnclaveKey('d-inference test');
    const first = await ownSigner(home, open);
    const second = await ownSigner(home, open);
    expect(first).toMatchObject({
      keyStore: 'software',
      whySoftware: 'only a Mac has a Secure Enclave',
    });
    expect(second).toMatchObject({
      keyStore: 'software',
      signer: { publicKey: first.signer.publicKey },
    });
    expect(isSignedByP256(first.signer.publicKey, TEXT, second.signer.sign(TEXT))).toBe(true);
    expect(isPrivate('signing.pem')).toBe(true);
  },
);

test('a program that may not use the enclave has its key in software, and gives the reason once', async () => {
  expect(await ownSigner(home, none)).toMatchObject({
    keyStore: 'software',
    whySoftware: expect.stringContaining('-34018'),
  });
  expect(await ownSigner(home, none)).not.toHaveProperty('whySoftware');
});

test('a machine with a key in software keeps it even if there is an enclave', async () => {
  const { signer } = await ownSigner(home, none);
  const asked = () => {
    throw new Error('the enclave was asked');
  };
  expect(await ownSigner(home, asked)).toMatchObject({
    keyStore: 'software',
    signer: { publicKey: signer.publicKey },
  });
});

test('with an enclave the key is in it, and no private key is written to a file', async () => {
  const key = enclaveKey();
  for (let start = 0; start < 2; start++) {
    const { signer, keyStore } = await ownSigner(home, () => key);
    expect(keyStore).toBe('secure_enclave');
    expect(isSignedByP256(key.publicKey, TEXT, signer.sign(TEXT))).toBe(true);
  }
  expect(existsSync(join(home, 'signing.pem'))).toBe(false);
  expect(isPrivate('signing.enclave')).toBe(true);
});

test.each([
  ['a locked keychain', none],
  ['an enclave with another key', () => enclaveKey()],
])(
  'a machine whose key is in the enclave does not start with %s, and gets no second key',
  async (_, open) => {
    const key = enclaveKey();
    await ownSigner(home, () => key);
    await expect(ownSigner(home, open)).rejects.toMatchObject({
      name: 'SecureEnclaveError',
      code: 'key_gone',
    });
    expect(existsSync(join(home, 'signing.pem'))).toBe(false);
    expect(await ownSigner(home, () => key)).toMatchObject({ keyStore: 'secure_enclave' });
  },
);

test.each([
  ['that signs for another key', { sign: p256Signer(newP256Key()).sign }, 'is not valid'],
  [
    'that refuses to sign',
    {
      sign: () => {
        throw new SecureEnclaveError('signing_failed', 'not signed: no words (-25308)');
      },
    },
    '-25308',
  ],
])('a key %s is never announced', async (_, broken, why) => {
  const found = await ownSigner(home, () => ({ ...enclaveKey(), ...broken }));
  expect(found).toMatchObject({ keyStore: 'software', whySoftware: expect.stringContaining(why) });
  expect(existsSync(join(home, 'signing.enclave'))).toBe(false);
});
