import { generateSealingKeyPair, isSame, RelayRecipient } from '#bus-schemas';

const ROTATE_MS = 24 * 3_600_000;
/**
 * What was sealed for the key before may still be under way, or wait with a client that has
 * reserved us.
 */
const FORMER_MS = 10 * 60_000;

/**
 * The keys that are sealed to: in memory only, and renewed every day. A new key is announced when
 * it is trusted, and the one before it
 * goes on opening for a while: there is no moment at which nothing opens.
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

  /** What is announced. */
  get announced(): Uint8Array {
    return this.#current.publicKey;
  }

  /** What is to be announced once it is trusted. */
  get wanted(): Uint8Array {
    return (this.#next ?? this.#current).publicKey;
  }

  /** Whoever may have been sealed to, the likeliest first. */
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

  /** Calls back when there is a new key to be trusted. */
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
