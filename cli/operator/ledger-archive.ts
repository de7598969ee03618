import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { explainDatabase, refuseWithoutDatabase } from './explain-database.ts';
import { settings } from './with-bus.ts';

const MB = 1_000_000;

export interface ArchiveCommandOptions {
  /** Months before this one are archived, as YYYY-MM; the configured time when left out. */
  readonly before?: string;
  readonly to: string;
}

/** Exports old months of the ledger to files, and deletes them from the database. */
export async function archive({ before, to }: ArchiveCommandOptions): Promise<void> {
  const config = await settings();
  refuseWithoutDatabase(config);
  const { addMonths, monthOf } = await import('#coordinator/months.ts');
  const newest = addMonths(monthOf(Date.now()), -config.ledgerOnlineMonths);
  if (before !== undefined && before > newest)
    throw new CommandError(
      EXIT.usage,
      `--before may be at most ${newest}: ${config.ledgerOnlineMonths} complete months stay in the database (DINF_LEDGER_ONLINE_MONTHS).`,
    );
  const { archiveAsOwner } = await import('#coordinator/archive-ledger.ts');
  let months = 0;
  await archiveAsOwner({
    databaseUrl: config.databaseUrl,
    before: before ?? newest,
    folder: to,
    onMonth: ({ month, file, bytes, charges, receipts }) => {
      months += 1;
      console.log(
        `${month}  ${charges} charges, ${receipts} receipts, ${(bytes / MB).toFixed(1)} MB  ${file}`,
      );
    },
  }).catch(explainDatabase);
  if (months === 0) console.log(`no charges before ${before ?? newest}`);
}
