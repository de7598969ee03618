import { ApiError } from '../errors.ts';

/**
 * Sessions of one key that may wait for their client's order at once: to begin with, and at most.
 */
const FIRST_ALLOWANCE = 4;
const MAX_ALLOWANCE = 32;
/** How long a key pays for a session that it never ordered, in milliseconds. */
const REMEMBER_MS = 60_000;
/** How long a session waits for its turn, in milliseconds, and how many of a key may. */
const WAIT_MS = 2_000;
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
  /** The client has ordered. */
  ordered(): void;
  /** The client was offered a machine and let the offer expire, or left. */
  wasted(): void;
  /** It ended, and not by its client's doing. */
  ended(): void;
}

/**
 * Limits the sealed sessions of a key that wait for an order. Each keeps a place on a machine and
 * sets money aside, for nothing if the
 * client never orders: one key with 64 such sessions kept other customers out of a model.
 *
 * A session beyond the allowance waits until another one of its key is ordered, so a client that
 * orders at once loses milliseconds. Each
 * order raises the allowance by one; each session that is wasted halves it, and a minute later it
 * is what it was at first.
 *
 * Each ingress counts for itself, because asking the limits that all ingresses share would cost a
 * round trip for each session. What one
 * account may hold through all of them is bounded by the router (`UNORDERED_SHARE`).
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

  /** Rejects with an ApiError where no session of the key is ordered or ends in time. */
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
    // The place was counted for this session when the other one ended.
    return this.#turnOf(key, state);
  }

  /** Undefined where the key has as many as it may. */
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

  /** Hands the freed place, and any that the allowance has gained, to those that wait longest. */
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
   * Forgets the oldest key without an open session. Keys that have one are bounded by the places of
   * machines.
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
