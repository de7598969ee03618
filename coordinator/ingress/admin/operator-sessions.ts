import { LruMap } from '#bus-schemas';
import { hashOf, makeOperatorCookie } from '#coordinator/secrets.ts';

/**
 * Sessions of operators in a browser. They exist in the memory of this ingress only: the listener
 * for operators is one address, and after a restart the operator enters the key again. A session
 * names the hash of an operator key, which accounts checks at every request, so a revoked key ends
 * its sessions at once.
 */

/** A working day, after which a forgotten browser is signed out, in milliseconds. */
export const OPERATOR_SESSION_MS = 12 * 3_600_000;
const MAX_SESSIONS = 256;

interface OperatorSession {
  readonly keyHash: Uint8Array;
  readonly endsAt: number;
}

export class OperatorSessions {
  readonly #byCookie = new LruMap<string, OperatorSession>(MAX_SESSIONS);
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Starts a session, and returns the value of its cookie. */
  start(keyHash: Uint8Array): string {
    const cookie = makeOperatorCookie();
    this.#byCookie.set(idOf(cookie.text), { keyHash, endsAt: this.#now() + OPERATOR_SESSION_MS });
    return cookie.text;
  }

  /** The hash of the operator key of a session; undefined if there is none or it has ended. */
  keyHashOf(cookie: string): Uint8Array | undefined {
    const session = this.#byCookie.get(idOf(cookie));
    if (session === undefined) return undefined;
    if (session.endsAt > this.#now()) return session.keyHash;
    this.end(cookie);
    return undefined;
  }

  end(cookie: string): void {
    this.#byCookie.delete(idOf(cookie));
  }
}

/** The cookie itself is not stored, so that a copy of the memory's map signs nobody in. */
const idOf = (cookie: string): string => hashOf(cookie).toString('hex');
