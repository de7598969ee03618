import { generateSealingKeyPair, isSame, RelayRecipient } from '#bus-schemas';

/** Lifetime of a sealing key, in milliseconds. */
const ROTATE_MS = 24 * 3_600_000;
/**
 * Time for which the previous key still opens requests, in milliseconds. A request for it may be in
 * transit, or a client in blind mode may have reserved this machine with it.
 */
const FORMER_MS = 10 * 60_000;

/**
 * The keys that requests are sealed for. They are only in memory and replaced every day, so that an
 * attacker who records traffic and later takes the machine cannot open it. A new key is announced
 * once it is trusted, and the previous one still opens requests for FORMER_MS, so a rotation
 * rejects no request.
 */
export class SealingKeys {
  readonly #now: () => number;
  #current: RelayRecipient;
  #next: RelayRecipient | undefined;
  #former: { readonly recipient: RelayRecipient; readonly until: number } | undefined;
  #rotateAt: number;
  #making = false;

  private constructor(first: RelayRecipient, now: () => number) {
    this.#current = first;
    this.#now = now;
    this.#rotateAt = now() + ROTATE_MS;
  }

  static async make(now: () => number): Promise<SealingKeys> {
    return new SealingKeys(new RelayRecipient(await generateSealingKeyPair()), now);
  }

  /** The public key that hellos and beats announce. */
  get announced(): Uint8Array {
    return this.#current.publicKey;
  }

  /** The public key to have trusted: the next one during a rotation, else the current one. */
  get wanted(): Uint8Array {
    return (this.#next ?? this.#current).publicKey;
  }

  /** All keys that a request may be sealed for, the current one first. */
  get recipients(): readonly RelayRecipient[] {
    return [
      this.#current,
      ...(this.#next ? [this.#next] : []),
      ...(this.#former ? [this.#former.recipient] : []),
    ];
  }

  trusted(key: Uint8Array): void {
    if (this.#next === undefined || !isSame(this.#next.publicKey, key)) return;
    this.#former = { recipient: this.#current, until: this.#now() + FORMER_MS };
    this.#current = this.#next;
    this.#next = undefined;
  }

  /** Forgets an expired key and rotates when it is time; `onNew` is called after a new key. */
  tick(onNew: () => void): void {
    const now = this.#now();
    if (this.#former !== undefined && now >= this.#former.until) this.#former = undefined;
    if (now >= this.#rotateAt) void this.rotate().then(onNew);
  }

  async rotate(): Promise<void> {
    if (this.#making) return;
    this.#making = true;
    this.#rotateAt = this.#now() + ROTATE_MS;
    this.#next = new RelayRecipient(await generateSealingKeyPair());
    this.#making = false;
  }
}
