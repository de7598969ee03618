import { join } from 'node:path';
import { loadStatements } from '#coordinator/sql.ts';

export const paymentStatements = loadStatements(join(import.meta.dirname, 'store'), [
  'list-payouts',
  'lock-payout',
  'lock-reversal',
  'open-payouts',
  'payout-by-operation',
  'pending-deposits',
  'save-dispute',
]);

/** A row as the driver returns it: it passes large numbers as text. */
export type Stored<Row> = {
  [Field in keyof Row]: Row[Field] extends number ? string | number : Row[Field];
};
