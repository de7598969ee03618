import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { verifyAppleChain } from './apple-chain.ts';

/**
 * The root as the sources of step-ca and Fleet contain it; step-ca names
 * https://www.apple.com/certificateauthority/private/ as its origin.
 */
const SHA256 =
  'CC:F5:9E:F8:FC:B3:01:7D:97:F8:B5:FA:6F:A9:0E:7A:3F:92:83:F7:6B:55:AC:6C:F6:ED:A8:B8:B9:49:F0:5B';

const root = new X509Certificate(
  await readFile(join(import.meta.dirname, 'apple-enterprise-attestation-root.pem')),
);

test('the stored root is the one at which Apple’s attestations end', () => {
  expect(root.fingerprint256).toBe(SHA256);
  expect(root.subject).toBe('CN=Apple Enterprise Attestation Root CA\nO=Apple Inc.\nC=US');
  expect(root.checkIssued(root) && root.verify(root.publicKey)).toBe(true);
  expect(root.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'secp384r1' });
  expect([root.ca, root.validFrom, root.validTo]).toEqual([
    true,
    'Feb 16 19:01:24 2022 GMT',
    'Feb 20 00:00:00 2047 GMT',
  ]);
});

test('the root is accepted as a root, and not as the leaf of a machine', () => {
  const given = {
    chain: [root.raw],
    roots: [root.raw],
    freshness: new Uint8Array(32),
    revoked: () => false,
  };
  expect(verifyAppleChain({ ...given, at: new Date('2026-06-01') })).toEqual({
    ok: false,
    fault: 'not_a_leaf',
  });
  expect(verifyAppleChain({ ...given, at: new Date('2022-02-16T19:01:23Z') })).toEqual({
    ok: false,
    fault: 'not_yet_valid',
  });
  expect(verifyAppleChain({ ...given, at: new Date('2047-02-20T00:00:01Z') })).toEqual({
    ok: false,
    fault: 'expired',
  });
});
