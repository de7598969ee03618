import { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { newJobId, services } from '#bus-schemas';
import { ended, jobsOf } from '../jobs-under-test.ts';
import { type Settlement, startSettlementUnderTest } from '../settlement-under-test.ts';
import { isBalanced, LedgerStore } from './ledger-store.ts';

let settlement: Settlement;
beforeAll(async () => {
  settlement = await startSettlementUnderTest();
}, 60_000);
afterAll(() => settlement[Symbol.asyncDispose]());

const timeoutMs = 20_000;
/** Key of the lock that only one proof has (`ONE_PROOF_AT_A_TIME` in ledger-store.ts). */
const PROOF_LOCK = 4_711_002;
const { ask, fundedAccount, shows, tell } = jobsOf(() => settlement);
const verify = (full: boolean) =>
  settlement.bus.call(services.settlement.verify, { full }, { timeoutMs });

describe('a statement', () => {
  test('lists every change of the balance, in pages, and sums to the balance', async () => {
    const account = await fundedAccount(100_000);
    const jobs = Array.from({ length: 25 }, () => newJobId());
    await Promise.all(jobs.map((job) => ask({ job, account })));
    for (const job of jobs) tell(ended(job, account));
    await shows(account, 100_000 - 25 * 70, 0);
    const lines = [];
    let after: string | undefined;
    do {
      const page = await settlement.bus.call(
        services.settlement.statement,
        { account, limit: 10, ...(after && { after }) },
        { timeoutMs },
      );
      expect(page.lines.length).toBeLessThanOrEqual(10);
      lines.push(...page.lines);
      after = page.next;
    } while (after);
    expect(lines).toHaveLength(26);
    expect(lines[0]).toMatchObject({ kind: 'deposit', amountMicroUsd: 100_000 });
    expect(new Set(lines.map(({ reference }) => reference)).size).toBe(26);
    expect(lines.reduce((sum, { amountMicroUsd }) => sum + amountMicroUsd, 0)).toBe(
      100_000 - 25 * 70,
    );
    expect(lines.at(-1)).toMatchObject({
      kind: 'charge',
      amountMicroUsd: -70,
      promptTokens: 30,
      completionTokens: 20,
    });
    const none = await settlement.bus.call(
      services.settlement.statement,
      { account, limit: 10, until: 1_000 },
      { timeoutMs },
    );
    expect(none.lines).toEqual([]);
  });
});

describe('a proof', () => {
  test('reads only rows since the last one, and has the same result as a full one', async () => {
    await fundedAccount(1_000);
    expect(await verify(false)).toMatchObject({ ok: true });
    expect(await verify(false)).toMatchObject({ ok: true, newEntries: 0 });
    await fundedAccount(1_000);
    expect(await verify(false)).toMatchObject({ ok: true, newEntries: 2 });
    expect((await verify(true)).newEntries).toBeGreaterThan(2);
    expect(await verify(true)).toMatchObject({ ok: true });
  });

  test('takes longer than other statements may take', async () => {
    const limited = new Pool({
      connectionString: settlement.databaseUrl,
      max: 2,
      query_timeout: 2_000,
    });
    const other = await settlement.database.connect();
    try {
      await other.query('BEGIN');
      await other.query('SELECT pg_advisory_xact_lock($1)', [PROOF_LOCK]);
      const proof = new LedgerStore(limited, Date.now).verify(true);
      await expect(limited.query('SELECT pg_sleep(60)')).rejects.toThrow('timeout');
      await other.query('ROLLBACK');
      expect(isBalanced(await proof)).toBe(true);
    } finally {
      other.release();
      await limited.end();
    }
  });

  test('reads rows that were not committed yet during the last one', async () => {
    const account = await fundedAccount(1_000);
    const client = await settlement.database.connect();
    try {
      await client.query('BEGIN');
      await client.query(
        "INSERT INTO ledger_transactions (operation, kind, digest) VALUES ('slow', 'credit', '')",
      );
      await client.query(
        "INSERT INTO ledger_entries (operation, account, amount) VALUES ('slow', $1, 5), ('slow', 'external:promotions', -5)",
        [`consumer:${account}`],
      );
      expect(await verify(false)).toMatchObject({ ok: true });
      await client.query('COMMIT');
      expect(await verify(false)).toMatchObject({ ok: false, driftedBalances: 2 });
      await settlement.database.query(
        "UPDATE ledger_accounts SET balance = balance + CASE kind WHEN 'external' THEN -5 ELSE 5 END WHERE id = ANY($1)",
        [['external:promotions', `consumer:${account}`]],
      );
      expect(await verify(false)).toMatchObject({ ok: true });
    } finally {
      client.release();
    }
  });

  test('detects a charge that its receipt does not cover', async () => {
    const account = await fundedAccount(1_000);
    const job = newJobId();
    await ask({ job, account });
    tell(ended(job, account));
    await vi.waitFor(async () =>
      expect(
        (await settlement.database.query('SELECT 1 FROM charges WHERE job = $1', [job])).rowCount,
      ).toBe(1),
    );
    await settlement.database.query(
      `INSERT INTO receipts (job, attempt, provider, build, prompt_tokens, cached_tokens, completion_tokens, finish, request_hash, response_hash)
       SELECT job, 1, provider, 'b', 30, 0, 19, 'stop', '', '' FROM charges WHERE job = $1`,
      [job],
    );
    expect(await verify(false)).toMatchObject({ ok: false, overchargedReceipts: 1 });
  });
});
