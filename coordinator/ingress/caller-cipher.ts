import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
export const KEY_BYTES = 32;
/** Bytes that sealing adds to a content. */
export const SEAL_BYTES = NONCE_BYTES + TAG_BYTES;

/** The caller who owns a content, and the use of the key that is derived for it. */
export interface ContentOwner {
  readonly account: string;
  /** The caller's API key. */
  readonly secret: string;
  /** Different for each kind of content, so that one kind cannot stand in for another. */
  readonly purpose: string;
}

/** The keys of stored contents of one account, each by its purpose. */
export interface ContentKeys {
  readonly account: string;
  keyOf(purpose: string): Buffer;
}

/**
 * A key that only a request with this API key can derive. The database has only a hash of the API
 * key, so a person who reads the database cannot decrypt what is stored under this key.
 */
export function callerKey({ account, secret, purpose }: ContentOwner): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, account, purpose, KEY_BYTES));
}

/** All keys that can be derived from an API key. */
export const callerKeys = (owner: Omit<ContentOwner, 'purpose'>): ContentKeys => ({
  account: owner.account,
  keyOf: (purpose) => callerKey({ ...owner, purpose }),
});

/**
 * Encrypts for a caller. The nonce is random, so a key may encrypt any number of contents. The
 * content can be opened only with the same `place`, so that contents under one key cannot be
 * exchanged for one another.
 */
export function seal(key: Buffer, content: string | Buffer, place = ''): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce).setAAD(Buffer.from(place));
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  return Buffer.concat([nonce, cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
}

/** Throws if the content was encrypted with another key or for another place, or was changed. */
export function open(key: Buffer, sealed: Buffer, place = ''): Buffer {
  const nonce = sealed.subarray(0, NONCE_BYTES);
  const decipher = createDecipheriv(CIPHER, key, nonce).setAAD(Buffer.from(place));
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  return Buffer.concat([
    decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)),
    decipher.final(),
  ]);
}

export const sealForCaller = (owner: ContentOwner, content: string | Buffer): Buffer =>
  seal(callerKey(owner), content);

/** Throws if the content was encrypted with another API key, or was changed. */
export const openForCaller = (owner: ContentOwner, sealed: Buffer): Buffer =>
  open(callerKey(owner), sealed);
