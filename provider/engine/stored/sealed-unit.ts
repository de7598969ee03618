import { createHmac, createSecretKey, randomBytes, webcrypto } from 'node:crypto';
import type { UnitKind } from '../scheduling/prefix-load.ts';

/**
 * How one page or state is encrypted in a file.
 *
 *   magic (8 bytes) ‖ nonce (12) ‖ AES-256-GCM of the unit ‖ tag (16)
 *
 * Name and key of a file follow from a secret of the machine, from what the unit was computed with, and
 * from the digest of its text, which begins with the scope of its customer. So only a request that
 * contains the same text under the same scope can name the file or read it. A file that was changed,
 * renamed or moved from another customer, model or version does not decrypt.
 */

const MAGIC = Buffer.from('dinfkv1\n');
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEAD_BYTES = MAGIC.length + NONCE_BYTES;
/** Bytes of a file beyond those of its unit. */
export const SEALED_OVERHEAD = HEAD_BYTES + TAG_BYTES;

/** What a page or a state is stored under. */
export interface UnitId {
  readonly kind: UnitKind;
  /** Digest of the tokens up to the end of the unit, and of the scope. */
  readonly digest: string;
  /** Digest of all that the numbers of a unit depend on beside its tokens: model, engine and version. */
  readonly maker: string;
}

const derived = (secret: Uint8Array, purpose: 'name' | 'key', { kind, digest, maker }: UnitId) =>
  createHmac('sha256', secret)
    .update(JSON.stringify(['dinf stored prefix 1', purpose, maker, kind, digest]))
    .digest();

/** Matches the names of files with units. */
export const UNIT_NAME = /^[A-Za-z0-9_-]{43}$/;

export const nameOf = (secret: Uint8Array, id: UnitId): string =>
  derived(secret, 'name', id).toString('base64url');

// The functions of webcrypto run outside of the main thread, which chooses the next tokens. To import a
// key there would take as long as to open a small page.
const keyOf = (secret: Uint8Array, id: UnitId): webcrypto.CryptoKey =>
  createSecretKey(derived(secret, 'key', id)).toCryptoKey('AES-GCM', false, ['encrypt', 'decrypt']);

/** Returns the parts of the file, to be written one after the other. */
export async function sealUnit(
  secret: Uint8Array,
  id: UnitId,
  unit: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array[]> {
  const iv = Uint8Array.from(randomBytes(NONCE_BYTES));
  const sealed = await webcrypto.subtle.encrypt(
    { name: 'AES-GCM', iv, additionalData: MAGIC },
    keyOf(secret, id),
    unit,
  );
  return [MAGIC, iv, new Uint8Array(sealed)];
}

/** Returns undefined if the bytes are not those of this unit. */
export async function openUnit(
  secret: Uint8Array,
  id: UnitId,
  file: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (file.length < SEALED_OVERHEAD || !MAGIC.equals(file.subarray(0, MAGIC.length)))
    return undefined;
  const key = keyOf(secret, id);
  const iv = file.subarray(MAGIC.length, HEAD_BYTES);
  try {
    const unit = await webcrypto.subtle.decrypt(
      { name: 'AES-GCM', iv, additionalData: MAGIC },
      key,
      file.subarray(HEAD_BYTES),
    );
    return new Uint8Array(unit);
  } catch {
    // The tag does not fit: the file is damaged, or was made for something else.
    return undefined;
  }
}
