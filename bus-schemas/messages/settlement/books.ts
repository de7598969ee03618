import { At, count, nothing, optional, signed } from '../../schema-parts.ts';
import { type Static, Type } from '../../type.ts';
import { methodsOf } from '../service-method.ts';

const verifyRequest = Type.Object({ full: optional(Type.Boolean()) });
/**
 * Results of a proof. Each count is a number of violations, except `openHolds`, `parked` and
 * `newEntries`; `ok` is true if all violations are 0. A full proof also checks the keys: the
 * spending of a key must be the sum of its charges and holds, otherwise `driftedBalances` counts
 * it.
 */
const verified = Type.Object({
  ok: Type.Boolean(),
  unbalancedTransactions: count,
  driftedBalances: count,
  negativeBalances: count,
  openHolds: count,
  overdueHolds: count,
  orphanHolds: count,
  overchargedReceipts: count,
  doubleEnded: count,
  stripeDriftMicroUsd: optional(signed),
  parked: count,
  /** Number of checked entries: those since the last proof, or all. */
  newEntries: count,
});
export type Verified = Static<typeof verified>;
const parked = Type.Object({
  rows: Type.Array(
    Type.Object({
      id: Type.String({ maxLength: 20 }),
      subject: Type.String(),
      messages: count,
      parkedAt: At,
      reason: Type.String(),
    }),
    {
      maxItems: 1_000,
    },
  ),
});
const replay = Type.Object({
  ids: optional(Type.Array(Type.String({ pattern: '^[0-9]{1,19}$' }), { maxItems: 1_000 })),
});
const replayed = Type.Object({ rows: count });

const define = methodsOf('settlement');

/** Requests of operators about the ledger. */
export const booksMethods = {
  verify: define('verify', verifyRequest, verified),
  parked: define('parked', nothing, parked),
  replay: define('replay', replay, replayed),
} as const;
