import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PostgresServer, startLocalPostgres } from '#network';
import { baseBackup, writeLike } from './base-backup.ts';
import { runStatement } from './run-statement.ts';

export interface ReplicatedPostgres extends AsyncDisposable {
  readonly primary: PostgresServer;
  readonly standby: PostgresServer;
  /** Creates a database, and returns a URL that names both servers. */
  createDatabase(name: string): Promise<string>;
  /** Makes the standby a primary, and returns when it accepts writes. */
  promote(): Promise<void>;
}

const SETTINGS = { wal_level: 'replica', max_wal_senders: '4', wal_keep_size: '256MB' };
const STANDBY = 'standby';

/**
 * Starts a primary and a standby that streams from it. A commit waits for the standby's disk:
 * otherwise a failover could lose charges that the bus and the client know of already.
 */
export async function startReplicatedPostgres(): Promise<ReplicatedPostgres> {
  await using stack = new AsyncDisposableStack();
  const primary = stack.use(await startLocalPostgres({ settings: SETTINGS }));
  const dataDir = await mkdtemp(join(tmpdir(), 'dinf-standby-'));
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  const copy = await baseBackup(primary, dataDir);
  await writeLike(copy, join(copy, 'standby.signal'), '');
  const { hostname, port, username, password } = new URL(primary.url);
  const conninfo = `host=${hostname} port=${port} user=${username} password=${password}`;
  const standby = stack.use(
    await startLocalPostgres({
      dataDir,
      settings: { ...SETTINGS, primary_conninfo: `${conninfo} application_name=${STANDBY}` },
    }),
  );
  await runStatement(primary.url, `ALTER SYSTEM SET synchronous_standby_names = '${STANDBY}'`);
  await runStatement(primary.url, 'SELECT pg_reload_conf()');
  const owned = stack.move();
  return {
    primary,
    standby,
    createDatabase: async (name) => {
      const url = new URL(await primary.createDatabase(name));
      return url.href.replace(url.host, `${url.host},${hostname}:${standby.port}`);
    },
    promote: async () => {
      const [row] = await runStatement<{ promoted: boolean }>(
        standby.url,
        'SELECT pg_promote(wait_seconds => 60) AS promoted',
      );
      if (row?.promoted !== true) throw new Error('the standby was not promoted within a minute');
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
