import { chown, copyFile, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import type { PostgresServer } from '#network';

/** Files of the running server, and WAL, which a standby streams and a restore reads from its archive. */
const OF_THE_SERVER = new Set(['postmaster.pid', 'postmaster.opts']);
const EMPTY = new Set(['pg_wal', 'pg_replslot', 'pg_stat_tmp', 'pg_notify', 'pg_subtrans']);

/**
 * Copies the cluster of a running server, as pg_basebackup does; the npm packages of Postgres lack
 * that program. `startLocalPostgres({ dataDir })` then starts the copy, when one of the files
 * `standby.signal` and `recovery.signal` is in it. `dataDir` must be in a folder that every user can
 * enter, because Postgres may run as another one. Returns the folder of the copy.
 */
export async function baseBackup(
  { url, cluster }: Pick<PostgresServer, 'url' | 'cluster'>,
  dataDir: string,
): Promise<string> {
  const copy = join(dataDir, 'cluster');
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query("SELECT pg_backup_start('copy', fast => true)");
    await copyFolder(cluster, copy);
    const { rows } = await client.query<{ labelfile: string }>(
      'SELECT labelfile FROM pg_backup_stop(wait_for_archive => true)',
    );
    await writeLike(cluster, join(copy, 'backup_label'), rows[0]?.labelfile ?? '');
  } finally {
    await client.end();
  }
  return copy;
}

/** Writes a file with the owner of the cluster, because Postgres may run as another user. */
export async function writeLike(cluster: string, file: string, text: string): Promise<void> {
  const { uid, gid } = await stat(cluster);
  await writeFile(file, text, { mode: 0o600 });
  await chown(file, uid, gid);
}

async function copyFolder(from: string, to: string): Promise<void> {
  const { uid, gid, mode } = await stat(from);
  await mkdir(to, { recursive: true, mode: mode & 0o777 });
  await chown(to, uid, gid);
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (EMPTY.has(entry.name)) {
      await mkdir(target, { mode: 0o700 });
      await chown(target, uid, gid);
    } else if (entry.isDirectory()) await copyFolder(source, target);
    else if (entry.isFile() && !OF_THE_SERVER.has(entry.name)) await copyLive(source, target);
  }
}

/** The server removes files meanwhile; WAL replay does not need those. */
async function copyLive(source: string, target: string): Promise<void> {
  try {
    await copyFile(source, target);
    const { uid, gid } = await stat(source);
    await chown(target, uid, gid);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
}
