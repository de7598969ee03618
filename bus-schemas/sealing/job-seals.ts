import { hkdfSync, type KeyObject } from 'node:crypto';
import sodium from 'libsodium-wrappers';
import { SUITE_ID } from './suite.ts';

export type SealErrorCode = 'unopenable' | 'repeated_number' | 'number_out_of_range' | 'forgotten';

export class SealError extends Error {
  readonly code: SealErrorCode;

  constructor(code: SealErrorCode, message: string) {
    super(message);
    this.name = 'SealError';
    this.code = code;
  }
}

type Direction = 'request' | 'response';

export interface JobName {
  readonly job: string;
  readonly attempt: number;
}

const NONCE_BYTES = 12;
const KEY_BYTES = 32;
/** More would not fit the last four bytes of the nonce, and would use one again. */
const MAX_NUMBER = 2 ** 32 - 1;
const NO_SALT = new Uint8Array();

/**
 * One direction of one attempt. The number of a message is its nonce, so a number is sealed once and never again; what is
 * sent twice is the same bytes. Job, attempt, direction and the recipient's key are bound by the key and as associated data.
 */
class Channel {
  readonly #key: Uint8Array;
  readonly #bound: Uint8Array;
  readonly #nonce = new Uint8Array(NONCE_BYTES);
  readonly #nonceNumber = new DataView(this.#nonce.buffer);
  #next = 0;
  #forgotten = false;

  constructor(key: Uint8Array, name: string, direction: Direction) {
    this.#key = key;
    this.#bound = Buffer.from(`${name} ${direction}`);
  }

  seal(seq: number, plain: Uint8Array): Uint8Array {
    const nonce = this.#nonceFor(seq);
    if (seq < this.#next) throw new SealError('repeated_number', `message ${seq} was sealed before`);
    this.#next = seq + 1;
    return sodium.crypto_aead_chacha20poly1305_ietf_encrypt(plain, this.#bound, null, nonce, this.#key);
  }

  open(seq: number, sealed: Uint8Array): Uint8Array {
    const nonce = this.#nonceFor(seq);
    try {
      return sodium.crypto_aead_chacha20poly1305_ietf_decrypt(null, sealed, this.#bound, nonce, this.#key);
    } catch {
      throw new SealError('unopenable', `message ${seq} does not open`);
    }
  }

  #nonceFor(seq: number): Uint8Array {
    // The key is all zeros by now: everyone could open what it seals.
    if (this.#forgotten) throw new SealError('forgotten', 'the keys of this attempt are gone');
    if (!Number.isInteger(seq) || seq < 0 || seq > MAX_NUMBER) throw new SealError('number_out_of_range', `${seq} is no number of a message`);
    this.#nonceNumber.setUint32(8, seq);
    return this.#nonce;
  }

  forget(): void {
    this.#forgotten = true;
    this.#key.fill(0);
  }
}

/** The keys of one attempt at one job, in both directions. */
export class JobSeals implements Disposable {
  /** Names the context to the recipient. */
  readonly enc: Uint8Array;
  readonly #request: Channel;
  readonly #response: Channel;

  constructor(context: { secret: KeyObject; enc: Uint8Array; keyId: string }, name: JobName) {
    this.enc = context.enc;
    const bound = `${SUITE_ID} ${context.keyId} ${name.job} ${name.attempt}`;
    const keys = new Uint8Array(hkdfSync('sha256', context.secret, NO_SALT, bound, 2 * KEY_BYTES));
    this.#request = new Channel(keys.subarray(0, KEY_BYTES), bound, 'request');
    this.#response = new Channel(keys.subarray(KEY_BYTES), bound, 'response');
  }

  sealRequest(seq: number, plain: Uint8Array): Uint8Array {
    return this.#request.seal(seq, plain);
  }

  openRequest(seq: number, sealed: Uint8Array): Uint8Array {
    return this.#request.open(seq, sealed);
  }

  sealResponse(seq: number, plain: Uint8Array): Uint8Array {
    return this.#response.seal(seq, plain);
  }

  openResponse(seq: number, sealed: Uint8Array): Uint8Array {
    return this.#response.open(seq, sealed);
  }

  [Symbol.dispose](): void {
    this.#request.forget();
    this.#response.forget();
  }
}
