import {
  AccountChanged,
  type ConsoleSession,
  events,
  LruMap,
  SessionEnded,
  services,
} from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { hashOf } from '#coordinator/secrets.ts';
import { ApiError } from '#http-api/errors.ts';
import { answerOf } from '../call-until.ts';

const KNOWN_MS = 60_000;
const MAX_KNOWN = 10_000;
const CALL = { eachMs: 2_000, totalMs: 4_000 };

/**
 * The sessions behind the cookies of the console, cached for a minute. An event tells every ingress
 * of a session that was signed out and of a suspended account; the lifetime of an entry limits how
 * long the session works if that event is lost.
 */
export class SessionCache implements Disposable {
  readonly #bus: Bus;
  readonly #now: () => number;
  readonly #known = new LruMap<string, { session: ConsoleSession; goodUntil: number }>(MAX_KNOWN);
  readonly #subscriptions: readonly { unsubscribe(): void }[];
  #changes = 0;

  constructor(bus: Bus, now: () => number) {
    this.#bus = bus;
    this.#now = now;
    this.#subscriptions = [
      bus.subscribe({
        subject: events.accountsSessionEnded,
        kind: SessionEnded,
        handle: ({ session }) => this.ended([session]),
      }),
      bus.subscribe({
        subject: events.accountsAccountChanged,
        kind: AccountChanged,
        handle: (changed) => this.#forget(({ account }) => account === changed.account),
      }),
    ];
  }

  /** The session from the cache; undefined if accounts must be asked. */
  known(cookie: string): ConsoleSession | undefined {
    const known = this.#known.get(digestOf(cookie));
    return known !== undefined && this.#now() < known.goodUntil ? known.session : undefined;
  }

  async session(cookie: string): Promise<ConsoleSession> {
    const known = this.known(cookie);
    if (known !== undefined) return known;
    const changes = this.#changes;
    const sessionHash = hashOf(cookie);
    const method = services.accounts.authenticateSession;
    const answer = await answerOf(this.#bus, method, { sessionHash }, CALL);
    if (!answer.ok)
      throw new ApiError(answer.code === 'suspended' ? 'account_suspended' : 'signed_out');
    const { session } = answer;
    // A session has ended while the answer was in flight, so the answer may be older than that.
    if (changes !== this.#changes) return session;
    const goodUntil = Math.min(session.expiresAt, this.#now() + KNOWN_MS);
    this.#known.set(digestOf(cookie), { session, goodUntil });
    return session;
  }

  /** Called by this ingress after it has ended sessions, since the events may come after its answer. */
  ended(sessions: readonly string[]): void {
    this.#forget(({ session }) => sessions.includes(session));
  }

  #forget(isEnded: (session: ConsoleSession) => boolean): void {
    this.#changes += 1;
    for (const [digest, { session }] of this.#known)
      if (isEnded(session)) this.#known.delete(digest);
  }

  [Symbol.dispose](): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }
}

/** The cache has no cookie that a dump of the memory could reveal. */
const digestOf = (cookie: string): string => hashOf(cookie).toString('base64');
