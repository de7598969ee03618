import { join } from 'node:path';
import { loadStatements } from '#coordinator/sql.ts';

export const jobStatements = loadStatements(join(import.meta.dirname, 'store'), [
  'await-receipts',
  'awaited-receipts',
  'find-jobs',
  'overdue-jobs',
  'receipts-of-jobs',
  'record-receipts',
]);

/** A row as the driver returns it: it passes large numbers as text. */
export type Numeric<Row> = {
  [Field in keyof Row]: Row[Field] extends number ? string : Row[Field];
};
