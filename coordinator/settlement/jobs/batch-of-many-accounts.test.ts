import { afterAll, beforeAll, expect, test } from 'vitest';
import { newJobId } from '#bus-schemas';
import {
  mostRemoved,
  type PlannedDatabase,
  startPlannedDatabase,
} from '../printed-plans-under-test.ts';
import { JobStore } from './job-store.ts';

/** As many as a batch of settlement has. */
const JOBS = 256;
const HELD = 100;
const CHARGED = 60;
const FUNDS = 1_000;

let planned: PlannedDatabase;
beforeAll(async () => {
  planned = await startPlannedDatabase();
});
afterAll(() => planned?.[Symbol.asyncDispose]());

async function hold(store: JobStore, jobs: readonly string[]): Promise<void> {
  const rows = jobs.map((job, index) => ({
    job,
    account: `acct_${index}`,
    key: `key_${index}`,
    model: 'sim',
    providers: [`provider_${index}`],
    payee: `provider:provider_${index}`,
    priceVersion: '1',
    price: { inputPerMillion: 1, cacheReadPerMillion: 1, outputPerMillion: 1 },
    terms: { feeBps: 500, minimum: 0, referrer: null },
    promptBound: 10,
    outputBound: 10,
    held: HELD,
    revision: 1,
    isVoid: false,
    digest: Buffer.from(job),
    lifeMs: 600_000,
  }));
  expect((await store.hold(rows, true)).map(({ result }) => result)).toEqual(
    rows.map(() => 'held'),
  );
}

const end = (store: JobStore, jobs: readonly string[]) =>
  store.end(
    jobs.map((job, index) => ({
      job,
      revision: 1,
      outcome: 'settled',
      provider: `provider_${index}`,
      payee: `provider:provider_${index}`,
      digest: Buffer.from(job),
      fact: Buffer.from('fact'),
      promptTokens: 5,
      cachedTokens: 0,
      completionTokens: 5,
      charged: CHARGED,
      providerShare: CHARGED - 3,
      fee: 3,
      referral: 0,
    })),
  );

test('jobs of many accounts and keys begin and end in one batch, and no account is compared with the others', async () => {
  const { database, plans } = planned;
  await database.query(
    `INSERT INTO ledger_accounts (id, kind, balance)
     SELECT 'consumer:acct_' || n, 'consumer', $2 FROM generate_series(0, $1 - 1) n`,
    [JOBS, FUNDS],
  );
  await database.query(
    `INSERT INTO ledger_accounts (id, kind) SELECT 'provider:provider_' || n, 'provider' FROM generate_series(0, $1 - 1) n`,
    [JOBS],
  );
  await database.query(
    `INSERT INTO key_limits (key, account, day, day_used, week, week_used, month, month_used, total_used)
     SELECT 'key_' || n, 'acct_' || n, utc_day(now()), 7, utc_week(now()), 7, utc_month(now()), 7, 7 FROM generate_series(0, $1 - 1) n`,
    [JOBS],
  );
  const store = new JobStore(database);
  const jobs = Array.from({ length: JOBS }, newJobId);
  plans.length = 0;
  await hold(store, jobs);
  expect(await end(store, jobs)).toEqual(new Set(jobs));

  expect(plans.join('\n')).toContain('Update on ledger_accounts');
  expect(mostRemoved(plans)).toBeLessThanOrEqual(2 * JOBS);

  const { rows: money } = await database.query(
    `SELECT kind, count(*)::int, min(balance)::int AS least, max(balance)::int AS most, max(held)::int AS held
     FROM ledger_accounts WHERE kind IN ('consumer', 'provider') GROUP BY kind ORDER BY kind`,
  );
  expect(money).toEqual([
    { kind: 'consumer', count: JOBS, least: FUNDS - CHARGED, most: FUNDS - CHARGED, held: 0 },
    { kind: 'provider', count: JOBS, least: CHARGED - 3, most: CHARGED - 3, held: 0 },
  ]);
  const { rows: keys } = await database.query(
    'SELECT DISTINCT day_used::int, week_used::int, month_used::int, total_used::int FROM key_limits',
  );
  const used = 7 + CHARGED;
  expect(keys).toEqual([{ day_used: used, week_used: used, month_used: used, total_used: used }]);
});
