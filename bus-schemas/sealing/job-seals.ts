import {
  chacha20Poly1305,
  hmacSha256,
  joined,
  randomBytes,
  type SecretKey,
  utf8,
} from '#bus-schemas/platform.ts';
import { isSame } from '../bytes.ts';
import { CodedError } from '../coded-error.ts';
import { MAX_PART_BYTES } from '../messages/orders.ts';
import { SUITE_ID } from './suite.ts';

export type SealErrorCode = 'unopenable' | 'repeated_number' | 'number_out_of_range' | 'forgotten';

export class SealError extends CodedError<SealErrorCode> {}

type Direction = 'request' | 'response';

export interface JobName {
  readonly job: string;
  readonly attempt: number;
}

const NONCE_BYTES = 12;
/** Size of the authentication tag that sealing adds to a message, in bytes. */
export const SEAL_OVERHEAD_BYTES = 16;
/**
 * Highest message number. The number fills the last four bytes of the nonce; a higher one would
 * wrap around and use a nonce twice.
 */
const MAX_NUMBER = 2 ** 32 - 1;
const SALT_BYTES = 16;
const NO_SALT = new Uint8Array();
const LAST_BLOCK = Uint8Array.of(1);

/**
 * Seals and opens the messages of one direction of one attempt. The number of a message is its
 * nonce. Each number is sealed at most once: two ciphertexts under the same key and nonce would
 * reveal the XOR of the plaintexts. A message that is sent again consists of the same bytes. Job,
 * attempt, direction and the recipient's key determine the key and are the associated data.
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
    this.#bound = utf8(`${name} ${direction}`);
  }

  seal(seq: number, plain: Uint8Array): Uint8Array {
    const nonce = this.#nonceFor(seq);
    if (seq < this.#next)
      throw new SealError('repeated_number', `message ${seq} was sealed before`);
    this.#next = seq + 1;
    return chacha20Poly1305.seal(plain, { key: this.#key, nonce, bound: this.#bound });
  }

  open(seq: number, sealed: Uint8Array): Uint8Array {
    const nonce = this.#nonceFor(seq);
    try {
      return chacha20Poly1305.open(sealed, { key: this.#key, nonce, bound: this.#bound });
    } catch {
      throw new SealError('unopenable', `message ${seq} cannot be opened`);
    }
  }

  #nonceFor(seq: number): Uint8Array {
    // Disposal overwrote the key with zeros: anyone could open a message that is sealed with it.
    if (this.#forgotten) throw new SealError('forgotten', 'the keys of this attempt were deleted');
    if (!Number.isInteger(seq) || seq < 0 || seq > MAX_NUMBER)
      throw new SealError('number_out_of_range', `${seq} is not a valid message number`);
    this.#nonceNumber.setUint32(8, seq);
    return this.#nonce;
  }

  forget(): void {
    this.#forgotten = true;
    this.#key.fill(0);
  }
}

/**
 * The keys of one attempt at one job, in both directions. The key of the answer also depends on a
 * random salt, which the recipient draws and puts in front of the first message of the answer. The
 * salt prevents a replay attack: when an attacker sends an old order again after the provider has
 * dropped its record, the second answer has another key, so no key and nonce are used twice.
 */
export class JobSeals implements Disposable {
  /** Encapsulated key, from which the recipient derives the same context. */
  readonly enc: Uint8Array;
  readonly #secret: SecretKey;
  readonly #bound: string;
  readonly #request: Channel;
  #salt: Uint8Array | undefined;
  #response: Channel | undefined;
  #receiptSalt: Uint8Array | undefined;
  #forgotten = false;

  constructor(context: { secret: SecretKey; enc: Uint8Array; keyId: string }, name: JobName) {
    this.enc = context.enc;
    this.#secret = context.secret;
    this.#bound = `${SUITE_ID} ${context.keyId} ${name.job} ${name.attempt}`;
    this.#request = this.#channel(NO_SALT, 'request');
  }

  #channel(salt: Uint8Array, direction: Direction): Channel {
    return new Channel(this.#keyFor(direction, salt), this.#bound, direction);
  }

  /**
   * One block of HKDF-Expand (RFC 5869). HKDF-Extract is not needed, because the secret is already
   * a uniformly random key.
   */
  #keyFor(purpose: Direction | 'receipt', salt: Uint8Array): Uint8Array {
    return hmacSha256(this.#secret, utf8(`${this.#bound} ${purpose} `), salt, LAST_BLOCK);
  }

  sealRequest(seq: number, plain: Uint8Array): Uint8Array {
    return this.#request.seal(seq, plain);
  }

  /**
   * Seals a whole request, split into parts that each fit into one message. Each part is sealed when
   * it is asked for, so that a program can do other work between two parts of a large request.
   */
  *sealRequestParts(plain: Uint8Array): Generator<Uint8Array, void> {
    const size = MAX_PART_BYTES - SEAL_OVERHEAD_BYTES;
    const parts = Math.max(1, Math.ceil(plain.length / size));
    for (let part = 0; part < parts; part += 1)
      yield this.sealRequest(part, plain.subarray(part * size, (part + 1) * size));
  }

  openRequest(seq: number, sealed: Uint8Array): Uint8Array {
    return this.#request.open(seq, sealed);
  }

  /**
   * Key of the hashes in this attempt's receipt. Only the two ends of the seals can derive it.
   * The attack that it prevents: the bus and Postgres hold the receipt, and a plain hash in it
   * would confirm a guess of a short answer.
   */
  receiptSalt(): Uint8Array {
    this.#receiptSalt ??= this.#keyFor('receipt', NO_SALT);
    return this.#receiptSalt;
  }

  sealResponse(seq: number, plain: Uint8Array): Uint8Array {
    this.#salt ??= randomBytes(SALT_BYTES);
    const sealed = this.#answering(this.#salt).seal(seq, plain);
    return seq === 0 ? joined([this.#salt, sealed]) : sealed;
  }

  /** Message 0 must be opened before all others, because it holds the salt. */
  openResponse(seq: number, sealed: Uint8Array): Uint8Array {
    if (seq !== 0) return this.#answering(this.#salt).open(seq, sealed);
    const salt = sealed.slice(0, SALT_BYTES);
    if (this.#salt !== undefined && !isSame(this.#salt, salt))
      throw new SealError('unopenable', 'message 0 belongs to another answer');
    const plain = this.#answering(salt).open(seq, sealed.subarray(SALT_BYTES));
    this.#salt = salt;
    return plain;
  }

  /**
   * The channel of the answer is stored only for the salt of a message 0 that opened. The attack
   * that this prevents: a forged message 0 would otherwise fix a wrong salt, and the real answer
   * could not be opened.
   */
  #answering(salt: Uint8Array | undefined): Channel {
    if (this.#forgotten) throw new SealError('forgotten', 'the keys of this attempt were deleted');
    if (salt === undefined)
      throw new SealError('unopenable', 'message 0 of the answer has not been opened yet');
    if (salt !== this.#salt) return this.#channel(salt, 'response');
    this.#response ??= this.#channel(salt, 'response');
    return this.#response;
  }

  [Symbol.dispose](): void {
    this.#forgotten = true;
    this.#request.forget();
    this.#response?.forget();
  }
}
