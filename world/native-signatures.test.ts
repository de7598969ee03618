import { createRequire } from 'node:module';
import { createUser, fromSeed } from '@nats-io/nkeys';
import { expect, test } from 'vitest';
import { installNativeSignatures } from './native-signatures.ts';

const MESSAGE = Buffer.from('a nonce of the hub');

test('Node signs for the keys of NATS with the same bytes as the library that they use', () => {
  const seed = createUser().getSeed();
  const signed = () => {
    const pair = fromSeed(seed);
    return { key: pair.getPublicKey(), signature: Buffer.from(pair.sign(MESSAGE)) };
  };
  const before = signed();
  const { sign } = createRequire(import.meta.resolve('@nats-io/nkeys'))('tweetnacl');
  const ofLibrary = sign.detached;
  installNativeSignatures();
  expect(sign.detached).not.toBe(ofLibrary);
  expect(signed()).toEqual(before);
});

test('a signature of another message is refused', () => {
  installNativeSignatures();
  const pair = createUser();
  const signature = pair.sign(MESSAGE);
  expect(pair.verify(MESSAGE, signature)).toBe(true);
  expect(pair.verify(Buffer.from('another nonce'), signature)).toBe(false);
});
