/** A body that waits for a thread. */
export interface WaitingBody {
  readonly account: string;
  readonly bytes: number;
  /** Whether its client still waits. */
  readonly isWanted: () => boolean;
}

/**
 * The bodies that wait for a thread. Accounts take turns, and each has its bodies read in their order,
 * so that the many bodies of one account do not make another one wait for all of them.
 */
export class BodyQueue<Waiting extends WaitingBody> {
  readonly #maxBytes: number;
  /** The accounts in the order of their turns. */
  readonly #byAccount = new Map<string, Waiting[]>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * Adds a body, and returns those that have no room: the newest ones of the account that has the most
   * bytes here, of which the added one may be one.
   */
  add(waiting: Waiting): readonly Waiting[] {
    const others = this.#byAccount.get(waiting.account);
    if (others === undefined) this.#byAccount.set(waiting.account, [waiting]);
    else others.push(waiting);
    this.#bytes += waiting.bytes;
    const refused: Waiting[] = [];
    while (this.#bytes > this.#maxBytes) {
      const newest = this.#largest().pop();
      if (newest === undefined) break;
      refused.push(newest);
      this.#removed(newest);
    }
    return refused;
  }

  /** Removes and returns the next body, and passes those whose clients have left to `onLeft`. */
  next(onLeft: (waiting: Waiting) => void): Waiting | undefined {
    for (const [account, bodies] of this.#byAccount) {
      const waiting = bodies.shift();
      // Its next turn comes after those of the others.
      this.#byAccount.delete(account);
      if (bodies.length > 0) this.#byAccount.set(account, bodies);
      if (waiting === undefined) continue;
      this.#bytes -= waiting.bytes;
      if (waiting.isWanted()) return waiting;
      onLeft(waiting);
    }
    return undefined;
  }

  /** Removes all bodies. */
  clear(): readonly Waiting[] {
    const all = [...this.#byAccount.values()].flat();
    this.#byAccount.clear();
    this.#bytes = 0;
    return all;
  }

  #largest(): Waiting[] {
    let [largest, most]: [Waiting[], number] = [[], -1];
    for (const bodies of this.#byAccount.values()) {
      const sum = bodies.reduce((total, { bytes }) => total + bytes, 0);
      if (sum > most) [largest, most] = [bodies, sum];
    }
    return largest;
  }

  #removed({ account, bytes }: Waiting): void {
    this.#bytes -= bytes;
    if (this.#byAccount.get(account)?.length === 0) this.#byAccount.delete(account);
  }
}
