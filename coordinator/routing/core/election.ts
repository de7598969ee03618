import type { LeaseWord } from '#bus-schemas';

/**
 * How long a holder may act on one word of its own that the hub brought back, counted from when it
 * was sent.
 */
const LEASE_MS = 800;
/**
 * Silence after which another candidate claims the lease: longer than a lease, because clocks do
 * not run at the same rate.
 */
const TAKE_OVER_MS = 1_000;
/**
 * How long a candidate repeats its claim without an objection before it holds the lease: time for
 * another one to answer the first claim.
 */
const CLAIM_MS = 100;

export interface Outcome {
  /** To be sent now. */
  readonly say?: LeaseWord;
  /**
   * The hub is to be asked whether anybody listens where the holder does; the answer goes to
   * `answered`.
   */
  readonly ask?: true;
  readonly became?: 'holder' | 'other';
}

type Phase =
  /**
   * Just started, or a holder whose words no longer come back: waits for the answer whether there
   * is another holder.
   */
  | 'asking'
  /** Another candidate holds the lease, or may. */
  | 'waiting'
  | 'claiming'
  | 'holding';

/**
 * One candidate for a lease among several that hear one another over the bus. Nothing is stored:
 * the hub delivers words in one order
 * to everybody who is connected to it, and a candidate acts only while its own words come back.
 *
 * Invariant, with one hub and clocks that run at nearly the same rate: of the candidates that the
 * hub can reach, no two are in `isHeld` at once. A holder's words came
 * back within the last 800 ms, so they were delivered to every other candidate as well, before that
 * candidate's own claims came back; and
 * a candidate that has just started claims only if the hub says that no holder listens, or after
 * the same silence as the others.
 * With several hubs that lose sight of one another there may be a holder on each side. When they
 * hear one another again, the one with
 * the greater epoch stays, within one exchange of words; until then a provider may be promised
 * twice, and it refuses what it has no
 * room for.
 */
export class Election {
  readonly #holder: string;
  #phase: Phase = 'asking';
  #isHolder = false;
  #epoch: number;
  /** The greatest epoch of any candidate. */
  #heardEpoch = 0;
  #heardAt: number;
  #claimedAt = 0;
  #heldUntil = Number.NEGATIVE_INFINITY;

  /**
   * `epoch` is where a candidate begins that hears nobody: greater than that of networks that ran
   * before.
   */
  constructor({ holder, epoch, now }: { holder: string; epoch: number; now: number }) {
    this.#holder = holder;
    this.#epoch = epoch;
    this.#heardAt = now;
  }

  isHeld(now: number): boolean {
    return this.isHolding && now < this.#heldUntil;
  }

  /** While true, a candidate that asks the hub for a holder must be told that there is one. */
  get isHolding(): boolean {
    return this.#phase === 'holding';
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** It is known whether there is a holder: this candidate or another one. */
  get isDecided(): boolean {
    return this.#phase === 'holding' || this.#phase === 'waiting';
  }

  /**
   * The answer to `ask`. Only the hub's word that nobody listens counts as false: a holder that
   * stands still for a moment listens all the same.
   */
  answered(isAnotherHolding: boolean, now: number): Outcome {
    if (this.#phase !== 'asking') return {};
    if (isAnotherHolding) return this.#standDown(now);
    // A holder that nobody has replaced goes on under its epoch.
    return this.#claim(
      now,
      this.#isHolder ? this.#epoch : Math.max(this.#epoch, this.#heardEpoch + 1),
    );
  }

  /** Called many times in the length of a lease, while there is a connection to the hub. */
  tick(now: number): Outcome {
    switch (this.#phase) {
      case 'asking':
        return {};
      case 'waiting':
        return now - this.#heardAt < TAKE_OVER_MS
          ? {}
          : this.#claim(now, Math.max(this.#epoch, this.#heardEpoch + 1));
      case 'claiming':
        return { say: this.#word(now) };
      case 'holding':
        if (now < this.#heldUntil) return { say: this.#word(now) };
        this.#phase = 'asking';
        return { ask: true };
    }
  }

  /**
   * A connection to the hub begins: silence counts from now on. A holder asks too, because the hub
   * told newcomers that nobody listens
   * while the connection was cut.
   */
  connected(now: number): Outcome {
    this.#heardAt = now;
    if (this.#phase === 'waiting') return {};
    this.#phase = 'asking';
    return { ask: true };
  }

  hear(word: LeaseWord, now: number): Outcome {
    if (word.holder === this.#holder) return this.#hearOwn(word, now);
    this.#heardEpoch = Math.max(this.#heardEpoch, word.epoch);
    switch (word.state) {
      case 'released':
        if (this.#phase !== 'waiting') return {};
        return this.#claim(now, Math.max(this.#epoch, this.#heardEpoch + 1));
      case 'claimed':
        if (this.isHeld(now)) return { say: this.#word(now) };
        return this.#phase === 'claiming' && this.#outranks(word)
          ? { say: this.#word(now) }
          : this.#standDown(now);
      case 'held':
        return this.isHeld(now) && this.#outranks(word)
          ? { say: this.#word(now) }
          : this.#standDown(now);
    }
  }

  /** Gives the lease up, so that another candidate need not wait. */
  release(now: number): Outcome {
    const wasHolder = this.#isHolder;
    const outcome = this.#standDown(now);
    return wasHolder
      ? {
          ...outcome,
          say: {
            holder: this.#holder,
            epoch: this.#epoch,
            state: 'released',
            sentAt: Math.floor(now),
          },
        }
      : outcome;
  }

  #hearOwn({ state, sentAt }: LeaseWord, now: number): Outcome {
    if (this.#phase === 'holding' && state === 'held')
      this.#heldUntil = Math.max(this.#heldUntil, sentAt + LEASE_MS);
    if (this.#phase !== 'claiming' || state !== 'claimed' || sentAt < this.#claimedAt + CLAIM_MS)
      return {};
    // An old word: this process stood still, and what was said meanwhile is still to be read.
    if (now >= sentAt + LEASE_MS) return {};
    this.#phase = 'holding';
    this.#heldUntil = sentAt + LEASE_MS;
    const say = this.#word(now);
    if (this.#isHolder) return { say };
    this.#isHolder = true;
    return { say, became: 'holder' };
  }

  #claim(now: number, epoch: number): Outcome {
    this.#phase = 'claiming';
    this.#epoch = epoch;
    this.#claimedAt = Math.floor(now);
    return { say: this.#word(now) };
  }

  #standDown(now: number): Outcome {
    this.#phase = 'waiting';
    this.#heardAt = now;
    if (!this.#isHolder) return {};
    this.#isHolder = false;
    return { became: 'other' };
  }

  /** The same for both sides, whichever hears the other first. */
  #outranks({ epoch, holder }: LeaseWord): boolean {
    return this.#epoch === epoch ? this.#holder > holder : this.#epoch > epoch;
  }

  #word(now: number): LeaseWord {
    return {
      holder: this.#holder,
      epoch: this.#epoch,
      state: this.#phase === 'holding' ? 'held' : 'claimed',
      sentAt: Math.floor(now),
    };
  }
}
