import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PostgresNode } from '#network';
import { startPostgres } from '#testcontainers';
import { connectDatabase } from './database.ts';
import { migrate } from './migrate.ts';

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
