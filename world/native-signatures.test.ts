import { expect, test } from 'vitest';
import { nativeSignatures, tweetnacl } from './native-signatures.ts';

const SEED = Uint8Array.from({ length: 32 }, (_, place) => place);
const MESSAGE = Buffer.from('a nonce of the hub');

test('Node signs with the same bytes as the library of the keys of NATS', () => {
  const { sign: library } = tweetnacl();
  const pair = nativeSignatures.keyPair.fromSeed(SEED);
  expect(pair).toEqual(library.keyPair.fromSeed(SEED));
  expect(nativeSignatures.detached(MESSAGE, pair.secretKey)).toEqual(
    library.detached(MESSAGE, pair.secretKey),
  );
});

test('a signature of another message is refused', () => {
  const { publicKey, secretKey } = nativeSignatures.keyPair.fromSeed(SEED);
  const signature = nativeSignatures.detached(MESSAGE, secretKey);
  const { verify } = nativeSignatures.detached;
  expect(verify(MESSAGE, signature, publicKey)).toBe(true);
  expect(verify(Buffer.from('another nonce'), signature, publicKey)).toBe(false);
});
