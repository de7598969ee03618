import { createPublicKey, verify } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { openEnclaveKey } from './secure-enclave.ts';

/** All runs use the same label, so that a Mac gets only one key from this test. */
const open = () => openEnclaveKey('d-inference test');

test.skipIf(process.platform === 'darwin')(
  'on any machine but a Mac, opening a key returns a reason and does not throw',
  () => {
    expect(open()).toEqual({ available: false, reason: 'only a Mac has a Secure Enclave' });
  },
);

describe.runIf(process.platform === 'darwin')('on a Mac', () => {
  const key = open();

  test.runIf(!key.available)('if the enclave cannot be used, a reason is returned', () => {
    expect(key).toEqual({ available: false, reason: expect.stringMatching(/./) });
  });

  test.runIf(key.available)('the enclave’s signatures verify, and its key is found again', () => {
    const again = open();
    if (!key.available || !again.available) throw new Error('the key cannot be opened');
    expect(again.publicKey).toEqual(key.publicKey);
    const text = Buffer.from('a receipt');
    const [x, y] = [key.publicKey.slice(1, 33), key.publicKey.slice(33)].map((part) =>
      Buffer.from(part).toString('base64url'),
    );
    const publicKey = createPublicKey({
      key: { kty: 'EC', crv: 'P-256', x: x ?? '', y: y ?? '' },
      format: 'jwk',
    });
    expect(
      verify('sha256', text, { key: publicKey, dsaEncoding: 'ieee-p1363' }, again.sign(text)),
    ).toBe(true);
  });
});
