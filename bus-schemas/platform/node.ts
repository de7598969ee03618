/**
 * Cryptography, encodings and schema checks of Node. A browser gets `browser.ts` instead, which has
 * the same exports: `package.json` chooses one of the two for `#bus-schemas/platform.ts`.
 */

import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPublicKey,
  createSecretKey,
  hash,
  type JsonWebKey,
  type KeyObject,
  verify,
} from 'node:crypto';
import sodium from 'libsodium-wrappers';
import { LruMap } from '../lru-map.ts';
import { derSignature } from '../receipts/der-signature.ts';
import type { Aead, RunningHash } from './types.ts';

export { randomBytes } from 'node:crypto';
export { checkerOf } from '../compiled/compiled-checker.ts';
export { compiledCodec } from '../compiled/compiled-codec.ts';

export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
export const fromHex = (text: string): Uint8Array => Buffer.from(text, 'hex');
export const fromBase64 = (text: string): Uint8Array => Buffer.from(text, 'base64');
export const utf8 = (text: string): Uint8Array => Buffer.from(text);
export const isSame = (one: Uint8Array, other: Uint8Array): boolean =>
  Buffer.compare(one, other) === 0;
export const joined = (parts: readonly Uint8Array[]): Uint8Array => Buffer.concat(parts);

/** A key of `hmacSha256`. */
export type SecretKey = KeyObject;
export const secretKey = (bytes: Uint8Array): SecretKey => createSecretKey(bytes);

const NO_BYTES = new Uint8Array(0);

/** Several parts should be small. They are joined, because a hash object takes half as long again. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const [only = NO_BYTES] = parts;
  return hash('sha256', parts.length > 1 ? Buffer.concat(parts) : only, 'buffer');
}

export const newSha256 = (): RunningHash => createHash('sha256');

export function hmacSha256(key: SecretKey, ...parts: readonly Uint8Array[]): Uint8Array {
  const hmac = createHmac('sha256', key);
  for (const part of parts) hmac.update(part);
  return hmac.digest();
}

/** Resolves when `seal` and `open` can be called. */
export const aeadReady = (): Promise<void> => sodium.ready;

/**
 * Size from which messages are sealed by Node's own cipher, in bytes. It has four times the speed of
 * libsodium in WebAssembly for a part of a large request, and needs ten times as long for a small
 * frame, because each call creates an object.
 */
const NATIVE_BYTES = 16 * 1024;
const TAG = { authTagLength: 16 } as const;

/** ChaCha20-Poly1305 of RFC 8439. `open` throws if the message was changed. */
export const chacha20Poly1305: Aead = {
  seal: (plain, { key, nonce, bound }) => {
    if (plain.length < NATIVE_BYTES)
      return sodium.crypto_aead_chacha20poly1305_ietf_encrypt(plain, bound, null, nonce, key);
    const cipher = createCipheriv('chacha20-poly1305', key, nonce, TAG);
    cipher.setAAD(bound, { plaintextLength: plain.length });
    return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  },
  open: (sealed, { key, nonce, bound }) => {
    const size = sealed.length - TAG.authTagLength;
    if (size < NATIVE_BYTES)
      return sodium.crypto_aead_chacha20poly1305_ietf_decrypt(null, sealed, bound, nonce, key);
    const decipher = createDecipheriv('chacha20-poly1305', key, nonce, TAG);
    decipher.setAAD(bound, { plaintextLength: size });
    decipher.setAuthTag(sealed.subarray(size));
    const plain = decipher.update(sealed.subarray(0, size));
    // Throws if the tag does not fit, before any byte of the message is used.
    decipher.final();
    return plain;
  },
};

const COORDINATE_BYTES = 32;
/**
 * Maximum number of cached keys. Reading a key takes a third of the time of a verification, and
 * each machine signs all its jobs with one key.
 */
const MAX_KEYS_READ = 1_024;
const keysRead = new LruMap<string, KeyObject>(MAX_KEYS_READ);

/**
 * The key is an uncompressed point; the signature is r followed by s. It is converted here and not
 * by Node: for any key that is not a `KeyObject` itself, such as one with options, Node creates an
 * error with a stack trace and catches it, which takes half as long as the verification.
 */
export const verifiesP256 = (key: Uint8Array, text: Uint8Array, signature: Uint8Array): boolean =>
  verify('sha256', text, p256KeyOf(key), derSignature(signature));

export const verifiesEd25519 = (
  key: Uint8Array,
  text: Uint8Array,
  signature: Uint8Array,
): boolean => {
  const x = Buffer.from(key).toString('base64url');
  return verify(null, text, publicKeyOf({ kty: 'OKP', crv: 'Ed25519', x }), signature);
};

function p256KeyOf(publicKey: Uint8Array): KeyObject {
  const name = Buffer.from(publicKey.buffer, publicKey.byteOffset, publicKey.byteLength).toString(
    'latin1',
  );
  const read = keysRead.get(name);
  if (read !== undefined) return read;
  const coordinate = (start: number) =>
    Buffer.from(publicKey.subarray(start, start + COORDINATE_BYTES)).toString('base64url');
  const key = publicKeyOf({
    kty: 'EC',
    crv: 'P-256',
    x: coordinate(1),
    y: coordinate(1 + COORDINATE_BYTES),
  });
  keysRead.set(name, key);
  return key;
}

const publicKeyOf = (jwk: JsonWebKey): KeyObject => createPublicKey({ key: jwk, format: 'jwk' });
