import { ApiError } from '#http-api/errors.ts';

/** Sessions of one key that may wait for an order at once: at first, and at most. */
const FIRST_ALLOWANCE = 4;
const MAX_ALLOWANCE = 32;
/**
 * Time after which a wasted session no longer reduces the allowance of its key, in milliseconds.
 */
const REMEMBER_MS = 60_000;
/**
 * Longest wait of a session for its turn, in milliseconds, and the number of sessions of one key
 * that may wait. A client on a busy machine takes seconds to check its first offers. The wait is
 * shorter than the ten seconds of an offer, so sessions that waste their offers do not take turns.
 */
const WAIT_MS = 5_000;
const MAX_WAITING = 64;
const MAX_KEYS = 10_000;

interface KeyState {
  open: number;
  allowance: number;
  wastedAt: number;
  readonly waiting: Set<() => void>;
}

/** One open session of a key. The first call of a method ends it; later ones change nothing. */
export interface SessionTurn {
  /** The client has sent its order. */
  ordered(): void;
  /** The client was offered a machine and let the offer expire, or left. */
  wasted(): void;
  /** The session ended for a reason that is not the client's. */
  ended(): void;
}

/**
 * Limits the sealed sessions of a key that wait for an order. Each of them occupies a slot on a
 * machine and holds money, for nothing if the client never orders. The attack: one key that opened
 * 64 such sessions without ordering kept other customers out of a model.
 *
 * A session beyond the allowance waits until another one of its key is ordered, so a client that
 * orders at once loses milliseconds. Each order raises the allowance by one. Each wasted session
 * halves it; an allowance below the first value is restored a minute after the last waste.
 *
 * Each ingress counts for itself, because limits that all ingresses share would cost a round trip
 * for each session. The router bounds what one account may hold through all of them
 * (`UNORDERED_SHARE`).
 */
export class OpenSessions {
  readonly #keys = new Map<string, KeyState>();
  readonly #clock: () => number;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  get keys(): number {
    return this.#keys.size;
  }

  /** Rejects with an ApiError if no session of the key is ordered or ends in time. */
  async take(key: string): Promise<SessionTurn> {
    const turn = this.tryTake(key);
    if (turn !== undefined) return turn;
    const state = this.#stateOf(key);
    if (state.waiting.size >= MAX_WAITING) throw tooMany(state);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const retry = () => resolve(true);
    state.waiting.add(retry);
    const timer = setTimeout(() => resolve(false), WAIT_MS);
    const isFree = await promise;
    clearTimeout(timer);
    state.waiting.delete(retry);
    if (!isFree) throw tooMany(state);
    // `#release` has already counted this session when it freed the place.
    return this.#turnOf(key, state);
  }

  /** Undefined if the key has reached its allowance. */
  tryTake(key: string): SessionTurn | undefined {
    const state = this.#stateOf(key);
    if (state.open >= state.allowance) return undefined;
    state.open += 1;
    return this.#turnOf(key, state);
  }

  #stateOf(key: string): KeyState {
    let state = this.#keys.get(key);
    if (state === undefined) {
      this.#makeRoom();
      state = {
        open: 0,
        allowance: FIRST_ALLOWANCE,
        wastedAt: Number.NEGATIVE_INFINITY,
        waiting: new Set(),
      };
      this.#keys.set(key, state);
    }
    if (state.allowance < FIRST_ALLOWANCE && this.#clock() - state.wastedAt >= REMEMBER_MS)
      state.allowance = FIRST_ALLOWANCE;
    return state;
  }

  #turnOf(key: string, state: KeyState): SessionTurn {
    let isOver = false;
    const end = (change: () => void) => () => {
      if (isOver) return;
      isOver = true;
      change();
      this.#release(key, state);
    };
    return {
      ordered: end(() => {
        state.allowance = Math.min(MAX_ALLOWANCE, state.allowance + 1);
      }),
      wasted: end(() => {
        state.allowance = Math.max(1, Math.floor(state.allowance / 2));
        state.wastedAt = this.#clock();
      }),
      ended: end(() => undefined),
    };
  }

  /**
   * Gives the freed place, and any that a higher allowance adds, to the sessions that have waited
   * longest.
   */
  #release(key: string, state: KeyState): void {
    state.open -= 1;
    for (const retry of state.waiting) {
      if (state.open >= state.allowance) break;
      state.open += 1;
      state.waiting.delete(retry);
      retry();
    }
    const isBlank =
      state.allowance === FIRST_ALLOWANCE && state.open === 0 && state.waiting.size === 0;
    if (isBlank) this.#keys.delete(key);
  }

  /**
   * Removes the oldest key without an open session. The slots of the machines bound the number of
   * keys that have one.
   */
  #makeRoom(): void {
    if (this.#keys.size < MAX_KEYS) return;
    for (const [key, { open, waiting }] of this.#keys) {
      if (open > 0 || waiting.size > 0) continue;
      this.#keys.delete(key);
      return;
    }
  }
}

const tooMany = ({ open }: KeyState) =>
  new ApiError(
    'rate_limit_exceeded',
    `${open} sealed sessions of this key wait for their orders. Order them, or let them end.`,
    { retryAfterMs: WAIT_MS },
  );
