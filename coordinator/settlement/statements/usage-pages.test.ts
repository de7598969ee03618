import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AccountUsage } from '#bus-schemas';
import {
  mostRemoved,
  type PlannedDatabase,
  startPlannedDatabase,
} from '../printed-plans-under-test.ts';
import { StatementStore } from './statement-store.ts';

const ACCOUNT = 'acct_large';
/** More than two pages look through. */
const JOBS = 12_000;
const RARE = [3, 5_000, 5_001, JOBS - 1];
const PAGE = 20;

let planned: PlannedDatabase;
let plans: string[];
let store: StatementStore;
beforeAll(async () => {
  planned = await startPlannedDatabase();
  plans = planned.plans;
  store = new StatementStore(planned.database);
  await fill();
});
afterAll(() => planned?.[Symbol.asyncDispose]());

/** As the owner of the table, whom Postgres lets count its values for plans. */
async function fill(): Promise<void> {
  const owner = new Client({ connectionString: planned.postgres.databaseUrl });
  await owner.connect();
  // The newest job has the number 0. Four of the oldest are of another key. Older ones are of another account.
  await owner.query(
    `INSERT INTO charges (job, outcome, account, key, model, price_version, held, prompt_tokens, cached_tokens, completion_tokens,
       charged, from_earned, provider_share, fee, referral, held_at, at)
     SELECT CASE WHEN n < $2 THEN 'job_' ELSE 'other_' END || n, 'settled', CASE WHEN n < $2 THEN $1 ELSE 'acct_other' END,
       CASE WHEN n BETWEEN $2 - 4 AND $2 - 1 THEN 'key_new' ELSE 'key_old' END,
       CASE WHEN n = ANY($3::int[]) THEN 'rare' ELSE 'common' END, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, now(), now() - n * interval '1 ms'
     FROM generate_series(0, 5 * $2) n`,
    [ACCOUNT, JOBS, RARE],
  );
  await owner.query('ANALYZE charges');
  await owner.end();
}

const numbersOf = ({ jobs }: AccountUsage) => jobs.map(({ job }) => Number(job.slice(4)));

test('the jobs of a rare model are found over several pages, each of which looks through a part', async () => {
  const pages: number[][] = [];
  plans.length = 0;
  for (let after: string | undefined; ; ) {
    const page = await store.usage({
      account: ACCOUNT,
      model: 'rare',
      limit: PAGE,
      ...(after !== undefined && { after }),
    });
    pages.push(numbersOf(page));
    after = page.next;
    if (after === undefined) break;
  }
  expect(pages.flat()).toEqual(RARE);
  expect(pages).toHaveLength(Math.ceil(JOBS / 5_000));
  expect(mostRemoved(plans)).toBeLessThanOrEqual(5_000);
});

test('pages of a frequent model are full, and continue after their last job', async () => {
  const first = await store.usage({ account: ACCOUNT, model: 'common', limit: PAGE });
  const second = await store.usage({
    account: ACCOUNT,
    model: 'common',
    limit: PAGE,
    after: first.next as string,
  });
  const common = Array.from({ length: 2 * PAGE + 1 }, (_, n) => n).filter((n) => n !== 3);
  expect([...numbersOf(first), ...numbersOf(second)]).toEqual(common);
});

/** After some calls, Postgres would use one plan for all values of a prepared statement. */
async function askOften(): Promise<void> {
  for (let call = 0; call < 10; call += 1) await store.usage({ account: ACCOUNT, limit: PAGE });
}

test('one job is found without reading those before it', async () => {
  await askOften();
  plans.length = 0;
  const page = await store.usage({ account: ACCOUNT, job: 'job_9000', limit: 1 });
  expect(numbersOf(page)).toEqual([9_000]);
  expect(mostRemoved(plans)).toBe(0);
});

test('the jobs of a key with few of them are found without reading those of other keys', async () => {
  await askOften();
  plans.length = 0;
  const page = await store.usage({ account: ACCOUNT, key: 'key_new', limit: PAGE });
  expect(numbersOf(page)).toEqual([JOBS - 4, JOBS - 3, JOBS - 2, JOBS - 1]);
  expect(page.next).toBeUndefined();
  expect(plans.join('\n')).toContain('charges_of_key');
  expect(mostRemoved(plans)).toBe(0);
});
