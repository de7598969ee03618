import { AccountId, KeyId } from '../../ids.ts';
import { byName, SPENDING_WINDOWS } from '../../key-limits.ts';
import { count, optional } from '../../schema-parts.ts';
import { type Static, Type } from '../../type.ts';
import { methodsOf } from '../service-method.ts';

/**
 * Maximum spending of a key in a UTC day, in a week from Monday, in a month, and in total; an
 * absent field means no limit.
 */
const KeyCaps = Type.Object(byName(SPENDING_WINDOWS, () => optional(count)));
export type KeyCaps = Static<typeof KeyCaps>;
const Used = Type.Object(byName(SPENDING_WINDOWS, () => count));
const setKeyCaps = Type.Object({ key: KeyId, account: AccountId, caps: KeyCaps });
const keyCapsSet = Type.Object({ used: Used });

/** Asks for one key, or for all keys of the account. */
const keySpendingRequest = Type.Object({ account: AccountId, key: optional(KeyId) });
const KeySpending = Type.Object({
  key: KeyId,
  caps: KeyCaps,
  used: Used,
});
export type KeySpending = Static<typeof KeySpending>;
/** Keys that never had a job or a cap are missing. The key with the newest job comes first. */
const keySpending = Type.Object({ keys: Type.Array(KeySpending, { maxItems: 1_000 }) });

const define = methodsOf('settlement');

/** Requests about the spending limits of keys. */
export const keyCapsMethods = {
  setKeyCaps: define('set-key-caps', setKeyCaps, keyCapsSet),
  keySpending: define('key-spending', keySpendingRequest, keySpending),
} as const;
