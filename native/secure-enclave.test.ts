import { createPublicKey, verify } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { openEnclaveKey } from './secure-enclave.ts';

/** One label for all runs: a Mac that has a key of it keeps that one. */
const open = () => openEnclaveKey('d-inference test');

test.skipIf(process.platform === 'darwin')('a machine that is no Mac says so as data', () => {
  expect(open()).toEqual({ available: false, reason: 'only a Mac has a Secure Enclave' });
});

describe.runIf(process.platform === 'darwin')('on a Mac', () => {
  const key = open();

  test.runIf(!key.available)('an enclave that may not be used says why', () => {
    expect(key).toEqual({ available: false, reason: expect.stringMatching(/./) });
  });

  test.runIf(key.available)('the enclave’s signatures hold, and its key is found again', () => {
    const again = open();
    if (!key.available || !again.available) throw new Error('the key is gone');
    expect(again.publicKey).toEqual(key.publicKey);
    const text = Buffer.from('what was done');
    const [x, y] = [key.publicKey.slice(1, 33), key.publicKey.slice(33)].map((part) => Buffer.from(part).toString('base64url'));
    const publicKey = createPublicKey({ key: { kty: 'EC', crv: 'P-256', x: x ?? '', y: y ?? '' }, format: 'jwk' });
    expect(verify('sha256', text, { key: publicKey, dsaEncoding: 'ieee-p1363' }, again.sign(text))).toBe(true);
  });
});
