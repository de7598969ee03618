import { ownerPool } from './database/owner.ts';
import { type ArchiveOptions, archiveLedger } from './settlement/archive/archive.ts';
import { ArchiveStore } from './settlement/archive/archive-store.ts';
import { isBalanced, LedgerStore } from './settlement/ledger/ledger-store.ts';

/** Archives old months as the owner of the tables, for `dinf ledger archive`. */
export async function archiveAsOwner({
  databaseUrl,
  ...options
}: Omit<ArchiveOptions, 'store' | 'prove'> & { readonly databaseUrl: string }): Promise<void> {
  const pool = await ownerPool(databaseUrl, 'dinf ledger archive');
  try {
    const ledger = new LedgerStore(pool, Date.now);
    const prove = async () => isBalanced(await ledger.verify(true));
    await archiveLedger({ ...options, store: new ArchiveStore(pool), prove });
  } finally {
    await pool.end();
  }
}
