import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type PostgresNode, startPostgres } from '#testcontainers';
import { migrate } from './migrate.ts';

let postgres: PostgresNode;
beforeAll(async () => {
  postgres = await startPostgres();
}, 60_000);
afterAll(() => postgres.stop());

test('migrations are applied in order, once, however many start at the same time', async () => {
  const url = await postgres.createDatabase('together');
  const all = await Promise.all([migrate(url), migrate(url), migrate(url)]);
  const [applied = [], ...others] = all.toSorted((a, b) => b.length - a.length);
  expect(applied.length).toBeGreaterThan(0);
  expect(applied).toEqual(applied.toSorted());
  expect(others).toEqual([[], []]);
});

test('a migration that changed after it was applied is refused by name', async () => {
  const url = await postgres.createDatabase('changed');
  const [first] = await migrate(url);
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query("UPDATE migrations SET sha256 = 'another' WHERE name = $1", [first]);
  await client.end();
  await expect(migrate(url)).rejects.toThrow(`${first} was changed`);
});
