import { createHash, createHmac, createSecretKey, type Hash, type Hmac } from 'node:crypto';

export interface ContentDigest {
  /** SHA-256. It stays inside the seals, because it confirms a guess of a short text. */
  readonly plain: Uint8Array;
  /** HMAC-SHA-256 with the receipt's salt. The receipt contains this hash. */
  readonly keyed: Uint8Array;
}

/** Hashes a request or an answer piece by piece, in both ways. */
export class ContentHash {
  readonly #plain: Hash = createHash('sha256');
  readonly #keyed: Hmac;

  constructor(salt: Uint8Array) {
    // With bytes instead of a key object, Node takes three times as long.
    this.#keyed = createHmac('sha256', createSecretKey(salt));
  }

  update(content: Uint8Array | string): this {
    this.#plain.update(content);
    this.#keyed.update(content);
    return this;
  }

  digest(): ContentDigest {
    return { plain: this.#plain.digest(), keyed: this.#keyed.digest() };
  }
}
