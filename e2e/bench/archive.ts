import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pool } from 'pg';
import { ownerPool } from '#coordinator/database/owner.ts';
import { migrate } from '#coordinator/migrate.ts';
import { archiveLedger } from '#coordinator/settlement/archive/archive.ts';
import { ArchiveStore } from '#coordinator/settlement/archive/archive-store.ts';
import { isBalanced, LedgerStore } from '#coordinator/settlement/ledger/ledger-store.ts';
import { startLocalPostgres } from '#network';

const sizes = { full: { jobs: 1_000_000 }, smoke: { jobs: 5_000 } } as const;
const ARCHIVED = '2025-01';
const ONLINE_JOBS = 10_000;
const MB = 1_000_000;
const TABLES = ['charges', 'receipts', 'generations'] as const;
const say = (line = '') => console.log(line);

/**
 * Measures the size of a job in Postgres, the proof of a ledger from its first entry, and the
 * archive of a month.
 */
export async function benchArchive(name: keyof typeof sizes): Promise<void> {
  const { jobs } = sizes[name];
  const [{ model = 'unknown' } = {}] = cpus();
  say(`${name} size; ${cpus().length} × ${model}; node ${process.version}; one run.`);
  await using stack = new AsyncDisposableStack();
  const postgres = stack.use(await startLocalPostgres());
  const url = await postgres.createDatabase('archive');
  await migrate(url);
  const database = await ownerPool(url, 'bench archive');
  stack.defer(() => database.end());
  await fill(database, jobs, `${ARCHIVED}-01`);
  await fill(database, Math.min(ONLINE_JOBS, jobs), '2025-02-01');
  await balance(database);
  await database.query('VACUUM (ANALYZE)');
  await reportSizes(database, 'before the archive');

  const ledger = new LedgerStore(database, Date.now);
  const folder = await mkdtemp(join(tmpdir(), 'dinf-bench-archive-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const proofs: number[] = [];
  const prove = async () => {
    const startedAt = performance.now();
    const isRight = isBalanced(await ledger.verify(true));
    proofs.push(performance.now() - startedAt);
    return isRight;
  };
  const startedAt = performance.now();
  await archiveLedger({
    store: new ArchiveStore(database),
    prove,
    before: '2025-02',
    folder,
    onMonth: ({ charges, receipts, bytes }) =>
      say(
        `${charges} charges and ${receipts} receipts in a file of ${(bytes / MB).toFixed(1)} MB, ${(bytes / charges).toFixed(0)} bytes for a job`,
      ),
  });
  const seconds = (performance.now() - startedAt) / 1_000;
  const proving = proofs.reduce((sum, each) => sum + each, 0) / 1_000;
  say(
    `${seconds.toFixed(1)} s in total; proofs before and after: ${proofs.map((each) => `${(each / 1_000).toFixed(1)} s`).join(' and ')}; export, check and deletion: ${((seconds - proving) / (jobs / MB)).toFixed(1)} s for a million jobs`,
  );
  say(`largest memory of this process: ${Math.round(process.resourceUsage().maxRSS / 1_000)} MB`);
  await reportSizes(database, 'after the archive (the space is free for new rows)');
}

/**
 * Adds jobs that are spread over the days of a month, with the sizes of real ids and hashes. Rows of
 * generations are deleted after 90 days, so the archived month has none.
 */
async function fill(database: Pool, jobs: number, from: string): Promise<void> {
  const values = `
    'job_' || substr(md5(n || '${from}') || md5(n::text), 1, 22) AS job,
    'acct_' || lpad((n % 10000)::text, 12, '0') AS account, 'key_' || lpad((n % 20000)::text, 16, '0') AS key,
    'A' || rpad(md5((n % 100)::text), 55, 'Q') AS provider, timestamptz '${from}Z' + n * interval '28 days' / ${jobs} AS at`;
  await database.query(`
    INSERT INTO charges (job, outcome, account, key, model, provider, payee, price_version, held, prompt_tokens, cached_tokens,
      completion_tokens, charged, from_earned, provider_share, fee, referral, digest, held_at, at)
    SELECT job, 'settled', account, key, 'llama-3.1-8b-instruct', provider, 'provider:' || provider, 1, 400, 900, 0, 250, 100, 0, 95, 5, 0,
      sha256(job::bytea), at, at FROM (SELECT ${values} FROM generate_series(1, ${jobs}) n) jobs`);
  await database.query(`
    INSERT INTO receipts (job, attempt, provider, build, prompt_tokens, cached_tokens, completion_tokens, finish, request_hash,
      response_hash, received_at, signature, signing_key, version)
    SELECT job, 1, provider, 'llama-3.1-8b-instruct-4bit', 900, 0, 250, 'stop', sha256(job::bytea), sha256(account::bytea), at,
      sha256(job::bytea) || sha256(provider::bytea), sha256(key::bytea) || sha256(provider::bytea) || '\\x04', 2
    FROM (SELECT ${values} FROM generate_series(1, ${jobs}) n) jobs`);
  if (from.startsWith(ARCHIVED)) return;
  await database.query(`
    INSERT INTO generations (job, at, account, key, model, build, provider, result, finish, streamed, attempts, delivered_tokens,
      first_content_us, total_us, trust_level, route_us, hold_us, routed)
    SELECT job, at, account, key, 'llama-3.1-8b-instruct', 'llama-3.1-8b-instruct-4bit', provider, 'completed', 'stop', true, 1, 250,
      400000, 9000000, 'hardware', 2100, 3400, json_build_object('able', 12, 'rejected', '{"busy": 3, "silent": 1}'::json, 'queuedMs', 0,
      'terms', '{"queue": 25.3, "prompts": 12.4, "prefill": 310.2, "decode": 31.7}'::json) FROM (SELECT ${values} FROM generate_series(1, ${jobs}) n) jobs`);
}

/** Writes the balances that the charges lead to, after a deposit for each account. */
async function balance(database: Pool): Promise<void> {
  await database.query(`
    INSERT INTO ledger_accounts (id, kind, balance, earned)
    SELECT account, split_part(account, ':', 1), sum(amount) + CASE WHEN account LIKE 'consumer:%' THEN 1000000 ELSE 0 END, sum(earned)
    FROM ledger_movements GROUP BY account
    ON CONFLICT (id) DO UPDATE SET balance = excluded.balance, earned = excluded.earned`);
  await database.query(`
    INSERT INTO ledger_transactions (operation, kind, digest) VALUES ('bench', 'deposit', '');
    INSERT INTO ledger_entries (operation, account, amount)
      SELECT 'bench', id, 1000000 FROM ledger_accounts WHERE kind = 'consumer'
      UNION ALL SELECT 'bench', 'external:stripe', -1000000 * count(*) FROM ledger_accounts WHERE kind = 'consumer';
    UPDATE ledger_accounts SET balance = (SELECT amount FROM ledger_entries WHERE account = 'external:stripe') WHERE id = 'external:stripe';
    INSERT INTO key_limits (key, account, day, day_used, week, week_used, month, month_used, total_used)
      SELECT key, min(account), current_date, 0, current_date, 0, current_date, 0, sum(charged) FROM charges GROUP BY key`);
}

async function reportSizes(database: Pool, when: string): Promise<void> {
  say(when);
  for (const table of TABLES) {
    const { rows } = await database.query<{ rows: string; heap: string; all: string }>(
      'SELECT count(*) AS rows, pg_table_size($1::regclass) AS heap, pg_total_relation_size($1::regclass) AS all FROM ' +
        table,
      [table],
    );
    const [row] = rows;
    const [count, heap, all] = [Number(row?.rows), Number(row?.heap), Number(row?.all)];
    say(
      `  ${table}: ${count} rows, ${(all / MB).toFixed(1)} MB; ${(heap / count).toFixed(0)} bytes for a row and ${((all - heap) / count).toFixed(0)} in indexes`,
    );
  }
}
