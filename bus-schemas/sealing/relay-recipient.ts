import type { SecretKey } from '#bus-schemas/platform.ts';
import { LruMap } from '../lru-map.ts';
import { type JobName, JobSeals } from './job-seals.ts';
import { CONTEXT_INFO, contextSecret, keyIdOf, type SealingKeyPair, suite } from './suite.ts';

/**
 * Maximum number of contexts that are kept; more than the ingresses of a fleet use at once. One
 * that was dropped is derived again when an order names it.
 */
const MAX_CONTEXTS = 1_024;

/**
 * The provider's side of sealing. The private key exists only in this process, so that after a
 * restart no message number can be sealed again under a key that was used before it.
 */
export class RelayRecipient {
  readonly #keys: SealingKeyPair;
  readonly #keyId: string;
  readonly #secrets = new LruMap<string, Promise<SecretKey>>(MAX_CONTEXTS);

  constructor(keys: SealingKeyPair) {
    this.#keys = keys;
    this.#keyId = keyIdOf(keys.publicKey);
  }

  get publicKey(): Uint8Array {
    return this.#keys.publicKey;
  }

  /**
   * Rejects when `enc` is not a valid encapsulated key, for example a point of low order. A valid
   * `enc` that was made for another recipient gives keys that open no message.
   */
  async sealsFor(order: JobName & { enc: Uint8Array }): Promise<JobSeals> {
    return new JobSeals(
      { enc: order.enc, secret: await this.#secretOf(order.enc), keyId: this.#keyId },
      order,
    );
  }

  #secretOf(enc: Uint8Array): Promise<SecretKey> {
    const name = Buffer.from(enc.buffer, enc.byteOffset, enc.byteLength).toString('base64');
    const known = this.#secrets.get(name);
    if (known !== undefined) return known;
    const secret = suite
      .SetupRecipient(this.#keys.keys, enc, { info: CONTEXT_INFO })
      .then(contextSecret);
    this.#secrets.set(name, secret);
    secret.catch(() => this.#secrets.delete(name));
    return secret;
  }
}
