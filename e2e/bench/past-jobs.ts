import { Client, type Pool } from 'pg';
import { StatementStore } from '#coordinator/settlement/statements/statement-store.ts';

/** Jobs that were settled long before a measurement, and the pages of usage that list them. */

const CHUNK = 100_000;
const REPEATS = 20;
const PAGE = 100;
/** A key of the first account with few jobs, and a model with none. */
const RARE_KEY = 'key_rare';
const NO_MODEL = 'no-such-model';

/** Every second job is of the first account, the others are spread over all. One in 100,000 is of a rare key. */
export async function addPastJobs(
  url: string,
  accounts: readonly string[],
  count: number,
): Promise<void> {
  const owner = new Client({ connectionString: url });
  await owner.connect();
  for (let from = 0; from < count; from += CHUNK)
    await owner.query(
      `INSERT INTO charges (job, outcome, account, key, model, provider, payee, price_version, held, prompt_tokens, cached_tokens,
         completion_tokens, charged, from_earned, provider_share, fee, referral, held_at, at)
       SELECT 'job_past_' || n, 'settled', ($4::text[])[1 + CASE WHEN n % 2 = 0 THEN 0 ELSE n % cardinality($4) END],
         CASE WHEN n % 100000 = 0 THEN $5 ELSE 'key_bench' END, 'bench-model', 'A' || n % 100, 'provider:A' || n % 100, 1, 0, 250, 50, 200,
         0, 0, 0, 0, 0, now(), now() - interval '1 day' - ($3 - n) * interval '1 second'
       FROM generate_series($1::int, $2::int) n`,
      [from, Math.min(count, from + CHUNK) - 1, count, accounts, RARE_KEY],
    );
  await owner.query('ANALYZE charges');
  await owner.end();
}

/** Milliseconds that pages of the first account take, by the kind of page. */
export async function timesOfUsage(
  database: Pool,
  account: string,
  count: number,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const store = new StatementStore(database);
  const dayMs = 86_400_000;
  const middle = (Date.now() - dayMs - (count / 2) * 1_000) * 1_000;
  const asked = { account, limit: PAGE };
  const pages = {
    'newest page of an account': asked,
    'page in the middle of its jobs': { ...asked, after: `${middle} job` },
    'page of a key with few jobs': { ...asked, key: RARE_KEY },
    'page of a model without jobs': { ...asked, model: NO_MODEL },
    'one job': { account, limit: 1, job: 'job_past_1000' },
  };
  const times = new Map<string, number[]>();
  for (let repeat = 0; repeat < REPEATS; repeat += 1)
    for (const [page, request] of Object.entries(pages)) {
      const startedAt = performance.now();
      await store.usage(request);
      times.set(page, [...(times.get(page) ?? []), performance.now() - startedAt]);
    }
  return times;
}
