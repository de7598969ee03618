import { mkdir, open, rename, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setImmediate as otherWork } from 'node:timers/promises';
import { CodedError } from '#bus-schemas/coded-error.ts';
import { type Month, monthsBetween } from '#coordinator/months.ts';
import {
  type ArchiveSums,
  archivedJobs,
  isSameSums,
  sha256Of,
  sumsOf,
  writeArchive,
} from './archive-file.ts';
import type { ArchiveStore } from './archive-store.ts';

/** Jobs that one transaction deletes. */
const DELETE_BATCH = 2_000;

/** Why an archive was refused. Nothing of the month was deleted, except after `rows_left`. */
type ArchiveErrorCode =
  | 'busy'
  | 'unproven'
  | 'file_exists'
  | 'file_missing'
  | 'wrong_file'
  | 'rows_left';

class ArchiveError extends CodedError<ArchiveErrorCode> {}

export interface ArchiveOptions {
  readonly store: ArchiveStore;
  /** Proves the whole ledger; false if it does not balance. */
  readonly prove: () => Promise<boolean>;
  /** Months before this one are archived. */
  readonly before: Month;
  readonly folder: string;
  readonly onMonth: (archived: ArchivedMonth) => void;
}

interface ArchivedMonth extends ArchiveSums {
  readonly month: Month;
  readonly file: string;
  readonly bytes: number;
}

/**
 * Exports the charges and receipts of old months, one file for each month, and deletes them from
 * the database. A month is deleted only after its file was read back from the disk and matches the
 * database. An interrupted run is continued by the next one.
 */
export async function archiveLedger(options: ArchiveOptions): Promise<void> {
  const { store } = options;
  const isDone = await store.asOnlyArchiver(async () => {
    await expectProof(options, 'Nothing was archived.');
    const oldest = await store.oldestMonth();
    const months = oldest === undefined ? [] : monthsBetween(oldest, options.before);
    if (months.length === 0) return;
    await mkdir(options.folder, { recursive: true, mode: 0o700 });
    for (const month of months) await archiveMonth(month, options);
    await store.freeSpace();
    await expectProof(options, 'Stop settlement and compare the archives with a backup.');
  });
  if (!isDone) throw new ArchiveError('busy', 'Another process archives the ledger now.');
}

async function expectProof({ prove }: ArchiveOptions, advice: string): Promise<void> {
  if (await prove()) return;
  throw new ArchiveError('unproven', `The books do not balance (dinf ledger verify). ${advice}`);
}

async function archiveMonth(
  month: Month,
  { store, folder, onMonth }: ArchiveOptions,
): Promise<void> {
  const known = await store.registered(month);
  const inDatabase = await store.sumsOf(month);
  if (inDatabase.charges === 0 && (known === undefined || known.isDeleted)) return;
  const file = join(folder, `ledger-${month}.jsonl.gz`);
  const sums = known ?? inDatabase;
  if (known === undefined) await exportMonth(month, { store, file, sums });
  else await expectFile(file, known.sha256);
  for await (const jobs of archivedJobs(file, DELETE_BATCH)) {
    await store.deleteJobs(
      month,
      jobs.map(({ charge }) => charge.job),
    );
    await otherWork();
  }
  if (!(await store.finish(month)))
    throw new ArchiveError(
      'rows_left',
      `${month}: charges that are not in ${file} stay in the database; run this command again after the next proof (dinf ledger verify).`,
    );
  onMonth({ month, file, bytes: (await stat(file)).size, ...sums });
}

/** Writes the file, reads it back and registers it. From then on its rows may be deleted. */
async function exportMonth(
  month: Month,
  { store, file, sums }: { store: ArchiveStore; file: string; sums: ArchiveSums },
): Promise<void> {
  if (await exists(file))
    throw new ArchiveError(
      'file_exists',
      `${file} exists, and this database has not registered it. Move it to another folder.`,
    );
  const unchecked = `${file}.part`;
  const sha256 = await store.exportMonth(month, (lines) => writeArchive(unchecked, lines));
  await expectFile(unchecked, sha256);
  if (!isSameSums(await sumsOf(unchecked), sums))
    throw new ArchiveError('wrong_file', `${unchecked} does not contain what the database has.`);
  await writeFile(`${file}.sha256`, `${sha256.toString('hex')}  ${basename(file)}\n`);
  await rename(unchecked, file);
  await syncFolder(join(file, '..'));
  await store.register(month, sums, sha256);
}

async function expectFile(file: string, sha256: Buffer): Promise<void> {
  if (!(await exists(file)))
    throw new ArchiveError(
      'file_missing',
      `${file} is missing. The database has registered this month, so its file must be in the folder.`,
    );
  if (!(await sha256Of(file)).equals(sha256))
    throw new ArchiveError(
      'wrong_file',
      `${file} does not have the SHA-256 ${sha256.toString('hex')}, with which it was written.`,
    );
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    (error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
      throw error;
    },
  );

/** A renamed file survives a power failure only when its folder is on the disk too. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
