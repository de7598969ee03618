/**
 * Cryptography, encodings and schema checks of a browser, with the same exports as `node.ts`.
 *
 * WebCrypto has no ChaCha20-Poly1305 in most browsers, and all its functions are asynchronous, so
 * this file uses the audited libraries of @noble. Schemas are interpreted: a compiled schema needs
 * `eval`, which the content security policy of the console forbids.
 */

import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { ed25519 } from '@noble/curves/ed25519.js';
import { p256 } from '@noble/curves/nist.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 as sha256Of } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js';
import type { Static, TSchema } from 'typebox';
import { Check, Errors } from 'typebox/schema';
import { type Checker, checkerFrom } from '../compiled/checker.ts';
import { COVERS_NOTHING, type CompiledCodec } from '../compiled/codec-contract.ts';
import type { Aead, RunningHash } from './types.ts';

export const randomBytes = (size: number): Uint8Array =>
  crypto.getRandomValues(new Uint8Array(size));

export const toHex = (bytes: Uint8Array): string => bytesToHex(bytes);
export const fromHex = (text: string): Uint8Array => hexToBytes(text);
export const fromBase64 = (text: string): Uint8Array =>
  Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
const encoder = new TextEncoder();
export const utf8 = (text: string): Uint8Array => encoder.encode(text);
export const isSame = (one: Uint8Array, other: Uint8Array): boolean =>
  one.length === other.length && one.every((byte, index) => byte === other[index]);
export const joined = (parts: readonly Uint8Array[]): Uint8Array => concatBytes(...parts);

export type SecretKey = Uint8Array;
export const secretKey = (bytes: Uint8Array): SecretKey => bytes;

export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = sha256Of.create();
  for (const part of parts) hash.update(part);
  return hash.digest();
}

export const newSha256 = (): RunningHash => sha256Of.create();

export function hmacSha256(key: SecretKey, ...parts: readonly Uint8Array[]): Uint8Array {
  const code = hmac.create(sha256Of, key);
  for (const part of parts) code.update(part);
  return code.digest();
}

export const aeadReady = (): Promise<void> => Promise.resolve();

export const chacha20Poly1305: Aead = {
  seal: (plain, { key, nonce, bound }) => chacha20poly1305(key, nonce, bound).encrypt(plain),
  open: (sealed, { key, nonce, bound }) => chacha20poly1305(key, nonce, bound).decrypt(sealed),
};

export const verifiesP256 = (key: Uint8Array, text: Uint8Array, signature: Uint8Array): boolean =>
  p256.verify(signature, text, key, { lowS: false });

/** Rejects encodings that RFC 8032 forbids, like Node. */
export const verifiesEd25519 = (
  key: Uint8Array,
  text: Uint8Array,
  signature: Uint8Array,
): boolean => ed25519.verify(signature, text, key, { zip215: false });

export const checkerOf = <Schema extends TSchema>(schema: Schema): Checker<Static<Schema>> =>
  checkerFrom(
    (value) => Check(schema, value),
    (value) => Errors(schema, value)[1],
  );

/** A compiled codec needs `eval` too. */
export const compiledCodec = (_schema: TSchema, _version: number): CompiledCodec => COVERS_NOTHING;
