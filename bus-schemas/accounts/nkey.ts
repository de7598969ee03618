import {
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';
import type { KeyPair } from '@nats-io/nkeys';
import { type NkeyKind, parsePublic, parseSeed, publicText, seedText } from './nkey-text.ts';

/** DER prefix of a raw Ed25519 private key. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
/** DER prefix of a raw Ed25519 public key. */
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');
const RAW_BYTES = 32;

/**
 * Returns true if the owner of this public nkey signed the input; false if the text is not such a
 * key.
 */
export function isNkeySigned({ kind, publicKey, input, signature }: NkeySigned): boolean {
  try {
    const der = Buffer.concat([SPKI, parsePublic(kind, publicKey)]);
    return verify(
      null,
      input,
      createPublicKey({ key: der, format: 'der', type: 'spki' }),
      signature,
    );
  } catch {
    // Key and signature come from outside. What cannot be parsed is not signed.
    return false;
  }
}

export interface NkeySigned {
  readonly kind: NkeyKind;
  readonly publicKey: string;
  readonly input: Uint8Array;
  readonly signature: Uint8Array;
}

/**
 * An nkey that signs with node:crypto. The library's own signatures take a hundred times as long,
 * and thousands of machines enrol. Keys and signatures are the same.
 */
export class Nkey implements KeyPair {
  readonly #seed: string;
  readonly #publicKey: string;
  readonly #private: KeyObject;
  readonly #public: KeyObject;

  /** The same 32 bytes give the same key. */
  constructor(kind: NkeyKind, raw: Uint8Array) {
    this.#private = createPrivateKey({
      key: Buffer.concat([PKCS8, raw]),
      format: 'der',
      type: 'pkcs8',
    });
    this.#public = createPublicKey(this.#private);
    this.#seed = seedText(kind, raw);
    this.#publicKey = publicText(
      kind,
      this.#public.export({ format: 'der', type: 'spki' }).subarray(-RAW_BYTES),
    );
  }

  static create(kind: NkeyKind): Nkey {
    return new Nkey(kind, randomBytes(RAW_BYTES));
  }

  static fromSeed(seed: string): Nkey {
    const { kind, raw } = parseSeed(seed);
    return new Nkey(kind, raw);
  }

  get seed(): string {
    return this.#seed;
  }

  getPublicKey(): string {
    return this.#publicKey;
  }

  getSeed(): Uint8Array {
    return Buffer.from(this.#seed, 'ascii');
  }

  getPrivateKey(): Uint8Array {
    return this.getSeed();
  }

  sign(input: Uint8Array): Uint8Array {
    return sign(null, input, this.#private);
  }

  verify(input: Uint8Array, signature: Uint8Array): boolean {
    return verify(null, input, this.#public, signature);
  }

  clear(): void {
    throw new Error('an nkey cannot be cleared before its process ends');
  }

  seal(): Uint8Array {
    throw new Error('an nkey signs and cannot seal');
  }

  open(): Uint8Array | null {
    throw new Error('an nkey signs and cannot open sealed messages');
  }
}
