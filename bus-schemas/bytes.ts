import { fromHex, isSame, toHex } from '#bus-schemas/platform.ts';
import { Bytes } from './codec.ts';
import { Type } from './type.ts';

/** Sizes of keys and digests, and their hexadecimal form in JSON. */

/** Size of a SHA-256 digest, in bytes. */
export const HASH_BYTES = 32;
export const Hash = Bytes({ min: HASH_BYTES, max: HASH_BYTES });

/**
 * Size of an X25519 public key, in bytes: a machine's sealing key, or the encapsulated key in front
 * of a sealed message.
 */
export const X25519_KEY_BYTES = 32;
export const X25519Key = Bytes({ min: X25519_KEY_BYTES, max: X25519_KEY_BYTES });

/**
 * Size of a receipt's salt, in bytes. All have one size: HMAC pads a shorter key with zeros, so
 * that two salts of different sizes could give the same hash.
 */
export const RECEIPT_SALT_BYTES = 32;

export { fromHex, isSame, toHex as hex };

/** Schema of a text that holds exactly `bytes` bytes in hexadecimal. */
export const Hex = (bytes: number, options: { description?: string } = {}) =>
  Type.String({ pattern: `^[0-9a-f]{${2 * bytes}}$`, ...options });
