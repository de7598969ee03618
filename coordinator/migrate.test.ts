import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PostgresNode } from '#network';
import { startPostgres } from '#testcontainers';
import { schemaCheck } from './database/check-schema.ts';
import { connectDatabase } from './database.ts';
import { migrate, pendingMigrations } from './migrate.ts';

let postgres: PostgresNode;
beforeAll(async () => {
  postgres = await startPostgres();
}, 60_000);
afterAll(() => postgres.stop());

test('migrations are applied once and in order, also when several start at the same time', async () => {
  const url = await postgres.createDatabase('together');
  const all = await Promise.all([migrate(url), migrate(url), migrate(url)]);
  const [applied = [], ...others] = all.toSorted((a, b) => b.length - a.length);
  expect(applied.length).toBeGreaterThan(0);
  expect(applied).toEqual(applied.toSorted());
  expect(others).toEqual([[], []]);
});

test('a migration that was changed after it was applied is refused with its name', async () => {
  const url = await postgres.createDatabase('changed');
  const [first] = await migrate(url);
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query("UPDATE migrations SET sha256 = 'another' WHERE name = $1", [first]);
  await client.end();
  await expect(migrate(url)).rejects.toThrow(`${first} was changed`);
});

test('an owner without superuser rights can migrate, and the components can only add to the ledger', async () => {
  // Roles belong to the whole server, so this test needs a server without migrations.
  await using fresh = await startPostgres();
  const client = new Client({ connectionString: await fresh.createDatabase('owned') });
  await client.connect();
  await client.query("CREATE ROLE operator LOGIN CREATEROLE PASSWORD 'secret'");
  await client.query('ALTER DATABASE owned OWNER TO operator');
  await client.end();
  const url = new URL(fresh.url);
  Object.assign(url, { username: 'operator', password: 'secret', pathname: '/owned' });
  await migrate(url.href);
  const database = connectDatabase(url.href, { max: 1 });
  await database.query(
    "INSERT INTO ledger_transactions (operation, kind, digest) VALUES ('a', 'credit', '')",
  );
  await expect(database.query("UPDATE ledger_transactions SET kind = 'deposit'")).rejects.toThrow(
    'permission denied',
  );
  await expect(
    database.query('ALTER TABLE ledger_transactions DISABLE TRIGGER ALL'),
  ).rejects.toThrow('must be owner');
  await database.end();
});

describe('the next version', () => {
  const ADD = '9000-add.sql';
  const DROP = '9001-drop.sql';
  const LATER = '9002-add-more.sql';
  let folder: string;
  const closing = new AsyncDisposableStack();

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dinf-migrations-'));
    await cp(join(import.meta.dirname, 'migrations'), folder, { recursive: true });
    await writeFile(join(folder, ADD), '-- expand\nALTER TABLE api_keys ADD COLUMN added text;\n');
    await writeFile(join(folder, DROP), '-- contract\nALTER TABLE api_keys DROP COLUMN hint;\n');
    await writeFile(
      join(folder, LATER),
      '-- expand\nALTER TABLE api_keys ADD COLUMN later text;\n',
    );
  });
  afterAll(async () => {
    await closing.disposeAsync();
    await rm(folder, { recursive: true });
  });

  const allowed = { beforeContract: async () => undefined };
  const pending = async (url: string) =>
    (await pendingMigrations(url, folder)).map(({ name }) => name);
  /** Connects as a coordinator whose version has the migrations of `versionFolder`. */
  const connect = (url: string, versionFolder?: string) => {
    const database = connectDatabase(url, { max: 1, check: schemaCheck(versionFolder) });
    closing.defer(() => database.end());
    return database.query('SELECT 1');
  };

  test('applies its contract migrations only when this is allowed', async () => {
    const url = await postgres.createDatabase('allowed');
    await migrate(url);
    expect(await migrate(url, { folder })).toEqual([ADD, LATER]);
    const refused = {
      beforeContract: async (name: string) => {
        throw new Error(`an older version runs and needs what ${name} removes`);
      },
    };
    await expect(migrate(url, { folder, ...refused })).rejects.toThrow('an older version runs');
    expect(await pending(url)).toEqual([DROP]);
    expect(await migrate(url, { folder, ...allowed })).toEqual([DROP]);
    expect(await pending(url)).toEqual([]);
  });

  test('applies all its migrations to an empty database', async () => {
    const url = await postgres.createDatabase('empty');
    expect(await migrate(url, { folder })).toEqual(expect.arrayContaining([ADD, DROP, LATER]));
  });

  test('does not prevent the previous one from connecting until it has removed something', async () => {
    const url = await postgres.createDatabase('previous');
    await migrate(url);
    await migrate(url, { folder });
    await connect(url);
    await migrate(url, { folder, ...allowed });
    await expect(connect(url)).rejects.toMatchObject({
      code: 'version_too_old',
      message: expect.stringContaining(DROP),
    });
    await connect(url, folder);
  });

  test('is refused by a database without its expand migrations, and told what to run', async () => {
    const url = await postgres.createDatabase('pending');
    await migrate(url);
    await expect(connect(url, folder)).rejects.toMatchObject({
      code: 'migrations_pending',
      message: expect.stringMatching(/Run "dinf migrate".*9000-add\.sql, 9002-add-more\.sql/),
    });
    const never = await postgres.createDatabase('never');
    await expect(connect(never)).rejects.toMatchObject({ code: 'migrations_pending' });
  });

  test('is told what to run by a server on which no version has ever been migrated', async () => {
    await using fresh = await startPostgres();
    await expect(connect(await fresh.createDatabase('fresh'))).rejects.toMatchObject({
      code: 'migrations_pending',
    });
  });

  test('lets no coordinator connect between its last question and the end of a contract migration', async () => {
    const url = await postgres.createDatabase('together_with');
    await migrate(url);
    await migrate(url, { folder });
    const observer = new Client({ connectionString: url });
    await observer.connect();
    const waiting = async () =>
      (
        await observer.query(
          "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'migrations'::regclass",
        )
      ).rowCount;
    let late: Promise<unknown> | undefined;
    await migrate(url, {
      folder,
      beforeContract: async () => {
        late = connect(url);
        late.catch(() => undefined);
        await expect.poll(waiting).toBe(1);
      },
    });
    await observer.end();
    await expect(late).rejects.toMatchObject({ code: 'version_too_old' });
  });
});
