import type { LeaseMessage } from '#bus-schemas';

/**
 * How long a holder may act after it sent a message that the hub delivered back to it, in
 * milliseconds.
 */
const LEASE_MS = 800;
/**
 * Silence of the holder after which another candidate claims the lease, in milliseconds. It is
 * longer than the lease because clocks run at slightly different rates.
 */
const TAKE_OVER_MS = 1_000;
/**
 * How long a candidate repeats its claim without an objection before it holds the lease, in
 * milliseconds. Other candidates have this time to answer the first claim, and a claim that comes
 * back later than that proves nothing.
 */
const CLAIM_MS = 200;

export interface ElectionOutcome {
  /** The message to send now. */
  readonly send?: LeaseMessage;
  /**
   * Ask the hub whether another process subscribes to the holder's subject, and pass the answer to
   * `answered`.
   */
  readonly askHub?: true;
  readonly became?: 'holder' | 'other';
}

type Phase =
  /**
   * The candidate has just started, or holds the lease but no longer receives its own messages. It
   * waits for the hub's answer whether another candidate holds the lease.
   */
  | 'asking'
  /** Another candidate holds the lease, or may hold it. */
  | 'waiting'
  | 'claiming'
  | 'holding';

/**
 * One candidate for a lease. The candidates exchange messages over the bus, and nothing is stored.
 * The hub delivers these messages in one order to every connected candidate, and a candidate acts
 * only while it receives its own messages back.
 *
 * Invariant, with one hub and clocks that run at nearly the same rate: of the candidates that the
 * hub can reach, at most one has `isHeld`. Reason: the holder received its own messages within the
 * last 800 ms, so the hub delivered them to every other candidate as well, before that candidate's
 * own claims came back. A candidate that has just started claims only after the hub has answered
 * that no holder is subscribed, or after the same silence as the others.
 *
 * If a cluster of hubs splits, each side may have a holder. When the sides are connected again, the
 * holder with the greater epoch stays, after one exchange of messages. Until then two routers may
 * promise the same provider, which refuses the jobs that it has no capacity for.
 */
export class Election {
  readonly #holder: string;
  #phase: Phase = 'asking';
  #isHolder = false;
  #epoch: number;
  /** The greatest epoch that another candidate has sent. */
  #othersEpoch = 0;
  #lastMessageAt: number;
  #claimedAt = 0;
  #heldUntil = Number.NEGATIVE_INFINITY;

  /**
   * `epoch` is the first epoch of a candidate that receives no other candidate's messages. It must
   * be greater than the epochs of networks that ran before.
   */
  constructor({ holder, epoch, now }: { holder: string; epoch: number; now: number }) {
    this.#holder = holder;
    this.#epoch = epoch;
    this.#lastMessageAt = now;
  }

  isHeld(now: number): boolean {
    return this.isHolding && now < this.#heldUntil;
  }

  /** While true, the candidate must answer other candidates that ask the hub for a holder. */
  get isHolding(): boolean {
    return this.#phase === 'holding';
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** Whether the election has a result: this candidate or another one holds the lease. */
  get isDecided(): boolean {
    return this.#phase === 'holding' || this.#phase === 'waiting';
  }

  /**
   * Takes the answer to `askHub`. `isAnotherHolding` is false only if the hub answered that the
   * holder's subject has no subscriber: a holder whose process is paused for a moment is still
   * subscribed.
   */
  answered(isAnotherHolding: boolean, now: number): ElectionOutcome {
    if (this.#phase !== 'asking') return {};
    if (isAnotherHolding) return this.#standDown(now);
    // A holder keeps its epoch if no other candidate has replaced it.
    return this.#claim(
      now,
      this.#isHolder ? this.#epoch : Math.max(this.#epoch, this.#othersEpoch + 1),
    );
  }

  /** To be called several times per lease while the connection to the hub is up. */
  tick(now: number): ElectionOutcome {
    switch (this.#phase) {
      case 'asking':
        return {};
      case 'waiting':
        return now - this.#lastMessageAt < TAKE_OVER_MS
          ? {}
          : this.#claim(now, Math.max(this.#epoch, this.#othersEpoch + 1));
      case 'claiming':
        return { send: this.#message(now) };
      case 'holding':
        if (now < this.#heldUntil) return { send: this.#message(now) };
        this.#phase = 'asking';
        return { askHub: true };
    }
  }

  /**
   * To be called when a connection to the hub begins: the silence of other candidates counts from
   * now. A holder asks for another holder as well, because while it was disconnected the hub
   * answered new candidates that the holder's subject had no subscriber.
   */
  connected(now: number): ElectionOutcome {
    this.#lastMessageAt = now;
    if (this.#phase === 'waiting') return {};
    this.#phase = 'asking';
    return { askHub: true };
  }

  receive(message: LeaseMessage, now: number): ElectionOutcome {
    if (message.holder === this.#holder) return this.#receiveOwn(message, now);
    this.#othersEpoch = Math.max(this.#othersEpoch, message.epoch);
    switch (message.state) {
      case 'released':
        if (this.#phase !== 'waiting') return {};
        return this.#claim(now, Math.max(this.#epoch, this.#othersEpoch + 1));
      case 'claimed':
        if (this.isHeld(now)) return { send: this.#message(now) };
        // The other candidate may have missed the claims until now, because it was disconnected. So
        // it gets the full time to object, or to learn that it is outranked.
        return this.#phase === 'claiming' && this.#outranks(message)
          ? this.#claim(now, this.#epoch)
          : this.#standDown(now);
      case 'held':
        return this.isHeld(now) && this.#outranks(message)
          ? { send: this.#message(now) }
          : this.#standDown(now);
    }
  }

  /** Gives the lease up, so that another candidate gets it without waiting for the silence. */
  release(now: number): ElectionOutcome {
    const wasHolder = this.#isHolder;
    const outcome = this.#standDown(now);
    return wasHolder
      ? {
          ...outcome,
          send: {
            holder: this.#holder,
            epoch: this.#epoch,
            state: 'released',
            sentAt: Math.floor(now),
          },
        }
      : outcome;
  }

  #receiveOwn({ state, sentAt }: LeaseMessage, now: number): ElectionOutcome {
    if (this.#phase === 'holding' && state === 'held')
      this.#heldUntil = Math.max(this.#heldUntil, sentAt + LEASE_MS);
    if (this.#phase !== 'claiming' || state !== 'claimed' || sentAt < this.#claimedAt + CLAIM_MS)
      return {};
    // This process was paused: a candidate that has connected since then may hold the lease, and its
    // messages are still unread. A younger claim comes back before such a candidate can hold it.
    if (now >= sentAt + CLAIM_MS) return {};
    this.#phase = 'holding';
    this.#heldUntil = sentAt + LEASE_MS;
    const send = this.#message(now);
    if (this.#isHolder) return { send };
    this.#isHolder = true;
    return { send, became: 'holder' };
  }

  #claim(now: number, epoch: number): ElectionOutcome {
    this.#phase = 'claiming';
    this.#epoch = epoch;
    this.#claimedAt = Math.floor(now);
    return { send: this.#message(now) };
  }

  #standDown(now: number): ElectionOutcome {
    this.#phase = 'waiting';
    this.#lastMessageAt = now;
    if (!this.#isHolder) return {};
    this.#isHolder = false;
    return { became: 'other' };
  }

  /** Both candidates get the same result, in whichever order their messages arrive. */
  #outranks({ epoch, holder }: LeaseMessage): boolean {
    return this.#epoch === epoch ? this.#holder > holder : this.#epoch > epoch;
  }

  #message(now: number): LeaseMessage {
    return {
      holder: this.#holder,
      epoch: this.#epoch,
      state: this.#phase === 'holding' ? 'held' : 'claimed',
      sentAt: Math.floor(now),
    };
  }
}
