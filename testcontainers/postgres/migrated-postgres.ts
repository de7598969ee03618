import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readMigrations } from '#coordinator/database/migration-files.ts';
import { migrate } from '#coordinator/migrate.ts';
import {
  DATABASE,
  type PostgresOptions,
  type PostgresServer,
  postgresBinaries,
  startLocalPostgres,
} from '#network';
import { cacheFolder } from '#provider';
import { ensureFolder } from '../ensure-folder.ts';
import { roomyMemory } from './roomy-memory.ts';

const run = promisify(execFile);
/** Age at which a cluster for other migrations is deleted, in milliseconds. */
const OLD_MS = 7 * 24 * 3_600_000;

/** Found once for each process. */
let cluster: ReturnType<typeof migratedCluster> | undefined;

/**
 * Starts a Postgres that already has the database of a network and all its tables. It is the copy of
 * a cluster in the cache, which takes less than a third of the processor time of making one. Where
 * there is room the copy is in memory: a cluster has 1,600 files, and to create them on a disk takes
 * longer than everything else that Postgres does in most tests. A killed server finds its data there too.
 */
export async function startMigratedPostgres(
  options: PostgresOptions = {},
): Promise<PostgresServer> {
  cluster ??= migratedCluster();
  const copyOf = await cluster;
  const throwawayIn = await roomyMemory();
  return startLocalPostgres({
    ...options,
    ...(copyOf && { copyOf }),
    ...(throwawayIn && { throwawayIn }),
  });
}

/** Absent if Postgres keeps its data elsewhere, because root may not run it here. */
async function migratedCluster(): Promise<string | undefined> {
  const { stdout: version } = await run(join(await postgresBinaries(), 'bin', 'postgres'), [
    '--version',
  ]);
  const digest = createHash('sha256')
    .update(JSON.stringify([version, await readMigrations()]))
    .digest('hex');
  const all = join(cacheFolder(process.env), 'migrated-postgres');
  const folder = await ensureFolder(join(all, digest.slice(0, 16)), async (staged) => {
    await removeOld(all);
    await using postgres = await startLocalPostgres({ dataDir: staged });
    await migrate(await postgres.createDatabase(DATABASE));
  });
  const made = join(folder, 'cluster');
  return existsSync(made) ? made : undefined;
}

/** The locks of processes that wait may disappear meanwhile. */
async function removeOld(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found && Date.now() - found.mtimeMs > OLD_MS)
      await rm(join(folder, name), { recursive: true, force: true });
  }
}
