import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { LruMap } from '../lru-map.ts';

/** Signs with a private key that only one machine has. */
export interface Signer {
  readonly publicKey: Uint8Array;
  sign(text: Uint8Array): Uint8Array;
}

/**
 * Sizes of a provider's keys and signatures, in bytes. The curve is P-256, because a Secure Enclave
 * has no other. Public keys are uncompressed points; a signature is r followed by s.
 */
export const P256_KEY_BYTES = 65;
export const P256_SIGNATURE_BYTES = 64;
const COORDINATE_BYTES = 32;
const UNCOMPRESSED = 4;
const SIGNATURE = { dsaEncoding: 'ieee-p1363' } as const;

export const newP256Key = (): string =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
  }) as string;

/** Returns the signer of a private key in PEM. */
export function p256Signer(pem: string): Signer {
  const key = createPrivateKey(pem);
  const { x = '', y = '', crv } = createPublicKey(key).export({ format: 'jwk' });
  if (crv !== 'P-256') throw new TypeError('the key is not a P-256 key');
  return {
    publicKey: Buffer.concat([
      Uint8Array.of(UNCOMPRESSED),
      Buffer.from(x, 'base64url'),
      Buffer.from(y, 'base64url'),
    ]),
    sign: (text) => sign('sha256', text, { key, ...SIGNATURE }),
  };
}

export function isSignedByP256(
  publicKey: Uint8Array,
  text: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (
    publicKey.length !== P256_KEY_BYTES ||
    publicKey[0] !== UNCOMPRESSED ||
    signature.length !== P256_SIGNATURE_BYTES
  )
    return false;
  return holds(() =>
    verify('sha256', text, { key: p256KeyOf(publicKey), ...SIGNATURE }, signature),
  );
}

/**
 * Maximum number of cached keys. Reading a key takes a third of the time of a verification, and
 * each machine signs all its jobs with one key.
 */
const MAX_KEYS_READ = 1_024;
const keysRead = new LruMap<string, KeyObject>(MAX_KEYS_READ);

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

/** Sizes of the coordinator's keys and signatures (Ed25519), in bytes. */
export const ED25519_KEY_BYTES = 32;
export const ED25519_SIGNATURE_BYTES = 64;

export const newEd25519Key = (): string =>
  generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;

export function ed25519Signer(pem: string): Signer {
  const key = createPrivateKey(pem);
  const { x = '', crv } = createPublicKey(key).export({ format: 'jwk' });
  if (crv !== 'Ed25519') throw new TypeError('the key is not an Ed25519 key');
  return { publicKey: Buffer.from(x, 'base64url'), sign: (text) => sign(null, text, key) };
}

export function isSignedByEd25519(
  publicKey: Uint8Array,
  text: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (publicKey.length !== ED25519_KEY_BYTES) return false;
  const x = Buffer.from(publicKey).toString('base64url');
  return holds(() => verify(null, text, publicKeyOf({ kty: 'OKP', crv: 'Ed25519', x }), signature));
}

const publicKeyOf = (jwk: JsonWebKey): KeyObject => createPublicKey({ key: jwk, format: 'jwk' });

/** Returns false if the check throws, for example for a point that is not on the curve. */
function holds(check: () => boolean): boolean {
  try {
    return check();
  } catch {
    return false;
  }
}
