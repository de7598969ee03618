import type { KeyObject } from 'node:crypto';
import { type JobName, JobSeals } from './job-seals.ts';
import { CONTEXT_INFO, contextSecret, keyIdOf, type SealingKeyPair, suite } from './suite.ts';

/** More than an ingress fleet has alive at once; the oldest is set up again if it is asked for. */
const MAX_CONTEXTS = 1_024;

/**
 * The provider's side. The private key lives as long as the process: a number sealed before a
 * restart can never be sealed again.
 */
export class RelayRecipient {
  readonly #keys: SealingKeyPair;
  readonly #keyId: string;
  readonly #secrets = new Map<string, Promise<KeyObject>>();

  constructor(keys: SealingKeyPair) {
    this.#keys = keys;
    this.#keyId = keyIdOf(keys.publicKey);
  }

  get publicKey(): Uint8Array {
    return this.#keys.publicKey;
  }

  /**
   * Rejects when `enc` was not made for this key in a way that can be told; otherwise the first
   * message will not open.
   */
  async sealsFor(order: JobName & { enc: Uint8Array }): Promise<JobSeals> {
    return new JobSeals(
      { enc: order.enc, secret: await this.#secretOf(order.enc), keyId: this.#keyId },
      order,
    );
  }

  #secretOf(enc: Uint8Array): Promise<KeyObject> {
    const name = Buffer.from(enc.buffer, enc.byteOffset, enc.byteLength).toString('base64');
    const known = this.#secrets.get(name);
    if (known !== undefined) return known;
    const secret = suite
      .SetupRecipient(this.#keys.keys, enc, { info: CONTEXT_INFO })
      .then(contextSecret);
    this.#secrets.set(name, secret);
    secret.catch(() => this.#secrets.delete(name));
    if (this.#secrets.size > MAX_CONTEXTS) {
      const [oldest] = this.#secrets.keys();
      if (oldest !== undefined) this.#secrets.delete(oldest);
    }
    return secret;
  }
}
