import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type PostgresServer, startLocalPostgres } from '#network';
import { baseBackup, writeLike } from './base-backup.ts';
import { runStatement } from './run-statement.ts';

/** A Postgres that copies its WAL into an archive, so that it can be restored to any point in time. */
export interface ArchivedPostgres extends AsyncDisposable {
  /** URL of the maintenance database. It is the same after a restore. */
  readonly url: string;
  createDatabase(name: string): Promise<string>;
  /** Copies the cluster of the running server. `restore` begins with the last copy. */
  backUp(): Promise<void>;
  /** Ends the server with SIGKILL and deletes its data. What is not in the archive is lost. */
  destroy(): Promise<void>;
  /**
   * Starts a server on the backup, which replays the archived WAL until this time. Returns when
   * the server accepts writes.
   */
  restore(until: string): Promise<void>;
  /** Returns when all WAL that the server has written is in the archive. */
  archiveAll(): Promise<void>;
}

/** Every process of a test network has a pool of connections. */
const SETTINGS = { wal_level: 'replica', archive_mode: 'on', max_connections: '100' };
const POLL_MS = 50;

export async function startArchivedPostgres(): Promise<ArchivedPostgres> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'dinf-archived-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const archive = join(folder, 'archive');
  await mkdir(archive);
  // Postgres may run as another user.
  await chmod(folder, 0o755);
  await chmod(archive, 0o777);
  const settings = {
    ...SETTINGS,
    archive_command: `test ! -f ${archive}/%f && cp %p ${archive}/%f`,
  };
  let server: PostgresServer = await startLocalPostgres({
    dataDir: join(folder, 'first'),
    settings,
  });
  stack.defer(() => server.stop());
  const { url, port } = server;
  const restored = join(folder, 'restored');
  const owned = stack.move();
  return {
    url,
    createDatabase: (name) => server.createDatabase(name),
    backUp: async () => void (await baseBackup(server, restored)),
    archiveAll: () => archiveAll(url),
    destroy: async () => {
      const { cluster } = server;
      await server.kill();
      await rm(cluster, { recursive: true, force: true });
    },
    restore: async (until) => {
      const cluster = join(restored, 'cluster');
      await writeLike(cluster, join(cluster, 'recovery.signal'), '');
      server = await startLocalPostgres({
        dataDir: restored,
        port,
        settings: {
          ...settings,
          restore_command: `cp ${archive}/%f %p`,
          recovery_target_time: until,
          recovery_target_action: 'promote',
        },
      });
      await untilTrue(url, 'SELECT NOT pg_is_in_recovery() AS done');
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function archiveAll(url: string): Promise<void> {
  // A switch without new WAL would archive nothing.
  const [row] = await runStatement<{ file: string }>(
    url,
    "SELECT pg_walfile_name(pg_create_restore_point('archived')) AS file, pg_switch_wal()",
  );
  await untilTrue(
    url,
    `SELECT coalesce(last_archived_wal >= '${row?.file}', false) AS done FROM pg_stat_archiver`,
  );
}

async function untilTrue(url: string, statement: string): Promise<void> {
  while ((await runStatement<{ done: boolean }>(url, statement))[0]?.done !== true)
    await delay(POLL_MS);
}
