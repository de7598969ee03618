import { AccountChanged, events, LruMap, services } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { hashOf } from '#coordinator/secrets.ts';
import { ApiError } from '#http-api/errors.ts';
import { answerOf } from '../call-until.ts';
import type { TokenVerifier } from './token-verifier.ts';

export interface User {
  readonly user: string;
  readonly account: string;
}

const KNOWN_MS = 60_000;
const MAX_KNOWN = 10_000;

/**
 * The people behind sign-in tokens. A valid token is cached for a minute, or until its account
 * changes. The person of a suspended account may do nothing: otherwise they could withdraw money or
 * make new keys.
 */
export class Users implements Disposable {
  readonly #bus: Bus;
  readonly #verifier: TokenVerifier | undefined;
  readonly #now: () => number;
  readonly #known = new LruMap<string, User & { goodUntil: number }>(MAX_KNOWN);
  readonly #subscription: { unsubscribe(): void };
  #changes = 0;

  constructor(bus: Bus, verifier: TokenVerifier | undefined, now: () => number) {
    this.#bus = bus;
    this.#verifier = verifier;
    this.#now = now;
    this.#subscription = bus.subscribe({
      subject: events.accountsAccountChanged,
      kind: AccountChanged,
      handle: ({ account }) => this.#forget(account),
    });
  }

  async user(token: string): Promise<User> {
    if (this.#verifier === undefined)
      throw new ApiError('not_configured', 'This network has no sign-in (DINF_OIDC_ISSUER).');
    const digest = hashOf(token).toString('base64');
    const known = this.#known.get(digest);
    if (known !== undefined && this.#now() < known.goodUntil) return known;
    const { issuer, subject, email, expiresAt } = await this.#verifier.verify(token);
    const person = { issuer, subject, ...(email !== undefined && { email }) };
    const changes = this.#changes;
    const { isSuspended, ...user } = await answerOf(this.#bus, services.accounts.signIn, person, {
      eachMs: 2_000,
      totalMs: 4_000,
    });
    if (isSuspended) throw new ApiError('account_suspended');
    // An account has changed while the answer was in flight, so the answer may be older than that.
    if (changes !== this.#changes) return user;
    this.#known.set(digest, { ...user, goodUntil: Math.min(expiresAt, this.#now() + KNOWN_MS) });
    return user;
  }

  #forget(account: string): void {
    this.#changes += 1;
    for (const [digest, user] of this.#known)
      if (user.account === account) this.#known.delete(digest);
  }

  [Symbol.dispose](): void {
    this.#subscription.unsubscribe();
  }
}
