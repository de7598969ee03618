import { AccountId } from '../ids.ts';
import { At, optional } from '../schema-parts.ts';
import { type Static, Type } from '../type.ts';
import { RateLimits } from './rate-limits.ts';
import { ok, refused } from './service-method.ts';

/** Requests of operators about accounts: to find them, to suspend them and to limit them. */

/** Most accounts that one search returns. */
export const MAX_FOUND_ACCOUNTS = 50;
const Reason = Type.String({ minLength: 1, maxLength: 200 });

const AccountRecord = Type.Object({
  account: AccountId,
  name: Type.String({ maxLength: 320 }),
  /** Verified address of the person who signs in; absent for accounts that a command made. */
  email: optional(Type.String({ maxLength: 320 })),
  createdAt: At,
  suspended: optional(Type.Object({ at: At, reason: Reason })),
  /** Limits that replace those of the network for this account. */
  limits: RateLimits,
});
export type AccountRecord = Static<typeof AccountRecord>;

/** Upper and lower case count as the same. */
export const findAccounts = Type.Object({
  email: Type.String({ minLength: 3, maxLength: 320 }),
  /** True if `email` is only the beginning of the address. */
  isPrefix: Type.Boolean(),
});
export const accountsFound = Type.Object({
  accounts: Type.Array(AccountRecord, { maxItems: MAX_FOUND_ACCOUNTS }),
});
export const suspendAccount = Type.Object({ account: AccountId, reason: Reason });
/** Replaces all limits of the account; an absent limit is the one of the network. */
export const setAccountLimits = Type.Object({ account: AccountId, limits: RateLimits });
export const accountRecord = Type.Union([ok({ record: AccountRecord }), refused(['unknown'])]);
export type AccountRecordReply = Static<typeof accountRecord>;

export const suspendedAccounts = Type.Object({
  /** The last account of the previous page. */
  after: optional(AccountId),
  limit: Type.Integer({ minimum: 1, maximum: 1_000 }),
});
export const accountsSuspended = Type.Object({
  accounts: Type.Array(AccountId, { maxItems: 1_000 }),
});
