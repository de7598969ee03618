import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Pool } from 'pg';
import { expect, test } from 'vitest';
import { startPostgres } from '#testcontainers';
import { migrate } from '../../migrate.ts';
import { LedgerStore } from './ledger-store.ts';

const FOLDER = join(import.meta.dirname, '../../migrations');

/** Creates a database in the state of the release before promotional credit. */
async function migrateToTheReleaseBefore(database: Pool): Promise<void> {
  await database.query(
    'CREATE TABLE migrations (name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())',
  );
  const names = (await readdir(FOLDER))
    .filter((name) => name.endsWith('.sql') && name < '0090')
    .toSorted();
  for (const name of names) {
    const text = await readFile(join(FOLDER, name), 'utf8');
    await database.query(text);
    await database.query('INSERT INTO migrations (name, sha256) VALUES ($1, $2)', [
      name,
      createHash('sha256').update(text).digest('hex'),
    ]);
  }
}

test('the migration makes the unspent rest of given credit promotional, and no money that was paid in', async () => {
  await using postgres = await startPostgres();
  const url = await postgres.createDatabase('before');
  const database = new Pool({ connectionString: url });
  // Postgres stops before the last socket of the pool is closed, which the pool reports as an error.
  database.on('error', () => undefined);
  await migrateToTheReleaseBefore(database);
  let posted = 0;
  const post = async (
    kind: 'credit' | 'deposit' | 'withdrawal',
    account: string,
    amount: number,
    earned = 0,
  ): Promise<void> => {
    const from = {
      credit: 'external:promotions',
      deposit: 'external:stripe',
      withdrawal: 'external:work',
    }[kind];
    const values = [
      `${kind}:${posted++}`,
      kind,
      '',
      [`consumer:${account}`, from],
      ['consumer', 'external'],
      [amount, -amount],
      [earned, 0],
    ];
    await database.query("SELECT ledger_post($1, $2, $3, $4, $5, $6, $7, 'subject', '')", values);
  };
  await post('credit', 'given', 5_000);
  // The account was given 5,000, paid in 10,000 and spent 7,000, so all that was given is spent.
  await post('credit', 'spent', 5_000);
  await post('deposit', 'spent', 10_000);
  await post('withdrawal', 'spent', -7_000);
  await post('credit', 'half', 5_000);
  await post('deposit', 'half', 10_000);
  await post('withdrawal', 'half', -2_000);
  await post('withdrawal', 'earner', 3_000, 3_000);
  await migrate(url);
  await post('credit', 'later', 1_000);
  const { rows } = await database.query(
    'SELECT id, promotional::int FROM ledger_accounts WHERE promotional <> 0 ORDER BY id',
  );
  expect(rows).toEqual([
    { id: 'consumer:given', promotional: 5_000 },
    { id: 'consumer:half', promotional: 3_000 },
    { id: 'consumer:later', promotional: 1_000 },
    { id: 'external:promotions', promotional: -9_000 },
  ]);
  expect(await new LedgerStore(database, Date.now).verify(true)).toMatchObject({
    unbalancedTransactions: 0,
    driftedBalances: 0,
    negativeBalances: 0,
  });
  await database.end();
}, 60_000);
