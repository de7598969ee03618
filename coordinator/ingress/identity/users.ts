import { LruMap, services } from '#bus-schemas';
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

/** The people behind sign-in tokens. A valid token is cached for a minute. */
export class Users {
  readonly #bus: Bus;
  readonly #verifier: TokenVerifier | undefined;
  readonly #now: () => number;
  readonly #known = new LruMap<string, User & { goodUntil: number }>(MAX_KNOWN);

  constructor(bus: Bus, verifier: TokenVerifier | undefined, now: () => number) {
    this.#bus = bus;
    this.#verifier = verifier;
    this.#now = now;
  }

  async user(token: string): Promise<User> {
    if (this.#verifier === undefined)
      throw new ApiError('not_configured', 'This network has no sign-in (DINF_OIDC_ISSUER).');
    const digest = hashOf(token).toString('base64');
    const known = this.#known.get(digest);
    if (known !== undefined && this.#now() < known.goodUntil) return known;
    const { issuer, subject, email, expiresAt } = await this.#verifier.verify(token);
    const person = { issuer, subject, ...(email !== undefined && { email }) };
    const user = await answerOf(this.#bus, services.accounts.signIn, person, {
      eachMs: 2_000,
      totalMs: 4_000,
    });
    this.#known.set(digest, { ...user, goodUntil: Math.min(expiresAt, this.#now() + KNOWN_MS) });
    return user;
  }
}
