import { Hash } from '../bytes.ts';
import { AccountId, ConsoleSessionId } from '../ids.ts';
import { At, optional } from '../schema-parts.ts';
import { type Static, Type } from '../type.ts';
import { RateLimits } from './rate-limits.ts';
import { ok, refused } from './service-method.ts';

/**
 * Sessions of people in the console, and the codes with which they sign in once. Cookies and codes
 * are sent only as their SHA-256 digests.
 */

/** Most sessions of one account; the least recently used one ends when another starts. */
export const MAX_CONSOLE_SESSIONS = 20;

const UserId = Type.String({ maxLength: 64 });
/** What a person needs to recognise a session in the list of their sessions. */
const client = {
  userAgent: Type.String({ maxLength: 256 }),
  address: Type.String({ maxLength: 64 }),
};

/** A code signs its owner in once. Only a program with the keys of the network can create one. */
export const createSignInCode = Type.Object({
  codeHash: Hash,
  account: AccountId,
  /** Absent for an account that a command made, which belongs to no person. */
  user: optional(UserId),
  expiresAt: At,
});
export const signInCodeCreated = Type.Union([ok({}), refused(['unknown_account'])]);

const ConsoleSession = Type.Object({
  session: ConsoleSessionId,
  account: AccountId,
  user: optional(UserId),
  name: Type.String({ maxLength: 320 }),
  email: optional(Type.String({ maxLength: 320 })),
  /** The session ends at this time unless it is used before. */
  expiresAt: At,
  /** The session ends at this time even if it is used. */
  endsAt: At,
  /** Limits of the account that replace those of the network; absent without any. */
  accountLimits: optional(RateLimits),
});
export type ConsoleSession = Static<typeof ConsoleSession>;

export const redeemSignInCode = Type.Object({ codeHash: Hash, sessionHash: Hash, ...client });
export const signInCodeRedeemed = Type.Union([
  ok({ session: ConsoleSession }),
  refused(['unknown', 'used', 'expired', 'suspended']),
]);

/**
 * Starts a session for a person whom the ingress has authenticated at the sign-in issuer, or who has
 * approved the code of a program. Such a session belongs to the account and to no user.
 */
export const startSession = Type.Object({
  sessionHash: Hash,
  account: AccountId,
  user: optional(UserId),
  ...client,
});
export const sessionStarted = Type.Union([
  ok({ session: ConsoleSession }),
  refused(['unknown', 'suspended']),
]);

/** Also renews the session, because this call means that it is used. */
export const authenticateSession = Type.Object({ sessionHash: Hash });
export const sessionAuthenticated = Type.Union([
  ok({ session: ConsoleSession }),
  refused(['unknown', 'suspended']),
]);

/** Ends one session of the account, or all of them if `session` is absent. */
export const endSessions = Type.Object({
  account: AccountId,
  session: optional(ConsoleSessionId),
});
export const sessionsEnded = Type.Object({
  ended: Type.Array(ConsoleSessionId, { maxItems: 1_000 }),
});

export const listSessions = Type.Object({ account: AccountId });
const ListedSession = Type.Object({
  session: ConsoleSessionId,
  createdAt: At,
  usedAt: At,
  expiresAt: At,
  ...client,
});
export const sessionsListed = Type.Object({
  sessions: Type.Array(ListedSession, { maxItems: 1_000 }),
});
