import { AccountId } from '../../ids.ts';
import { count, optional, positive } from '../../schema-parts.ts';
import { Type } from '../../type.ts';
import { methodsOf, ok, refused } from '../service-method.ts';

const ofAccount = Type.Object({ account: AccountId });

const balance = Type.Object({
  availableMicroUsd: count,
  heldMicroUsd: count,
  /**
   * The part of `availableMicroUsd` that is promotional credit: it can be spent but never
   * withdrawn.
   */
  promotionalMicroUsd: optional(count),
  /** Debt of the account: Stripe took back a payment that was already spent. */
  owedMicroUsd: optional(count),
  /** The part of `availableMicroUsd` that the account earned and may withdraw. */
  withdrawableMicroUsd: count,
  /** Earnings that may be withdrawn only from `at` on; at most one entry for each day. */
  maturing: optional(
    Type.Array(Type.Object({ at: count, amountMicroUsd: count }), { maxItems: 64 }),
  ),
});

const credit = Type.Object({
  account: AccountId,
  amountMicroUsd: positive,
  /** Unique name of the credit. A repeated call with the same name credits nothing more. */
  operation: Type.String({ minLength: 1, maxLength: 128 }),
  /** The account sees it beside the amount on its statement. */
  note: optional(Type.String({ minLength: 1, maxLength: 200 })),
  /** For the audit log of commands; settlement does not store it. */
  reason: optional(Type.String({ minLength: 1, maxLength: 200 })),
});
const credited = Type.Union([ok({ availableMicroUsd: count }), refused(['operation_conflict'])]);

/**
 * Pays the account earned money, which it may withdraw, out of the platform's fees. Refused if the
 * fees do not cover it.
 */
const rewarded = Type.Union([
  ok({ availableMicroUsd: count }),
  refused(['operation_conflict', 'insufficient_funds']),
]);

/** Most that the account may spend in a UTC day over all its keys; absent means no limit. */
const setAccountCap = Type.Object({ account: AccountId, dayMicroUsd: optional(count) });
const accountSpending = Type.Object({ dayMicroUsd: optional(count), usedMicroUsd: count });

const define = methodsOf('settlement');

/** Requests about the money of an account. */
export const balancesMethods = {
  balance: define('balance', ofAccount, balance),
  credit: define('credit', credit, credited),
  reward: define('reward', credit, rewarded),
  setAccountCap: define('set-account-cap', setAccountCap, accountSpending),
  accountSpending: define('account-spending', ofAccount, accountSpending),
} as const;
