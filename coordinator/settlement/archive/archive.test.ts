import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { consumers, newJobId, services } from '#bus-schemas';
import { ownerPool } from '#coordinator/database/owner.ts';
import { addMonths, type Month, startOf } from '#coordinator/months.ts';
import { ended, jobsOf } from '../jobs-under-test.ts';
import { isBalanced, LedgerStore } from '../ledger/ledger-store.ts';
import { type Settlement, startSettlementUnderTest } from '../settlement-under-test.ts';
import { archiveLedger } from './archive.ts';
import { ArchiveStore } from './archive-store.ts';

const stack = new AsyncDisposableStack();
const timeoutMs = 20_000;
/** Cost of a job of `ended()`, in micro-dollars. */
const COST = 70;

let settlement: Settlement;
let owner: Pool;
let store: ArchiveStore;
let ledger: LedgerStore;
let folder: string;
/** The months of the tests follow each other, because an archived month is never used again. */
let month: Month = '2020-01';

beforeAll(async () => {
  settlement = stack.use(await startSettlementUnderTest());
  owner = await ownerPool(settlement.databaseUrl, 'test');
  stack.defer(() => owner.end());
  store = new ArchiveStore(owner);
  ledger = new LedgerStore(owner, Date.now);
  folder = await mkdtemp(join(tmpdir(), 'dinf-archive-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
}, 60_000);
afterAll(() => stack.disposeAsync());
beforeEach(() => {
  month = addMonths(month, 1);
});

const { ask, fundedAccount, shows, tell } = jobsOf(() => settlement);
const fileOf = (name: Month) => join(folder, `ledger-${name}.jsonl.gz`);
const middleOf = (name: Month) => startOf(name).getTime() + 14 * 86_400_000;

async function charges(account: string): Promise<string[]> {
  const { rows } = await owner.query<{ job: string }>(
    'SELECT job FROM charges WHERE account = $1 ORDER BY job',
    [account],
  );
  return rows.map(({ job }) => job);
}

/** Charges jobs of a new account. Those of `old` get the time of a month long ago, and two receipts. */
async function chargedJobs(counts: { old: number; recent: number }) {
  const account = await fundedAccount(1_000_000);
  const jobs = Array.from({ length: counts.old + counts.recent }, () => newJobId());
  const old = jobs.slice(0, counts.old);
  for (const job of jobs) {
    await ask({ job, account });
    tell(ended(job, account));
  }
  await shows(account, 1_000_000 - COST * jobs.length, 0);
  await owner.query(`
    INSERT INTO receipts (job, attempt, provider, build, prompt_tokens, cached_tokens, completion_tokens, finish, request_hash, response_hash)
    SELECT job, attempt, provider, 'sim-build', 30, 0, 20, 'stop', '\\x01', '\\x02'
    FROM charges, generate_series(1, 2) AS attempt WHERE job = ANY('{${old}}')`);
  await owner.query('ALTER TABLE charges DISABLE TRIGGER append_only');
  await owner.query('UPDATE charges SET at = $1 WHERE job = ANY($2)', [
    new Date(middleOf(month)),
    old,
  ]);
  await owner.query('ALTER TABLE charges ENABLE TRIGGER append_only');
  return { account, old: old.toSorted(), recent: jobs.slice(counts.old).toSorted() };
}

const archive = (options: Partial<Parameters<typeof archiveLedger>[0]> = {}) =>
  archiveLedger({
    store,
    prove: async () => isBalanced(await ledger.verify(true)),
    before: addMonths(month, 1),
    folder,
    onMonth: () => undefined,
    ...options,
  });

test('an old month is in a file with its receipts and not in the database, and the books balance from the first entry on', async () => {
  const { account, old, recent } = await chargedJobs({ old: 3, recent: 2 });
  await archive();

  const bytes = await readFile(fileOf(month));
  const lines = gunzipSync(bytes).toString().trimEnd().split('\n');
  const archived = lines.map((line) => JSON.parse(line));
  expect(archived.map(({ charge }) => charge.job).toSorted()).toEqual(old);
  expect(archived[0]).toMatchObject({
    charge: { account, outcome: 'settled', charged: COST },
    receipts: [
      { attempt: 1, completion_tokens: 20, response_hash: '\\x02' },
      { attempt: 2, completion_tokens: 20, response_hash: '\\x02' },
    ],
  });
  expect(await readFile(`${fileOf(month)}.sha256`, 'utf8')).toBe(
    `${createHash('sha256').update(bytes).digest('hex')}  ledger-${month}.jsonl.gz\n`,
  );

  expect(await charges(account)).toEqual(recent);
  const { rows } = await owner.query('SELECT job FROM receipts WHERE job = ANY($1)', [old]);
  expect(rows).toEqual([]);
  for (const full of [true, false])
    expect(
      await settlement.bus.call(services.settlement.verify, { full }, { timeoutMs }),
    ).toMatchObject({ ok: true });
});

test('usage and statement name the time from which charges are online', async () => {
  const { account, recent } = await chargedJobs({ old: 1, recent: 1 });
  await archive();
  const onlineSince = startOf(addMonths(month, 1)).getTime();
  const request = { account, limit: 10 };
  const usage = await settlement.bus.call(services.settlement.usage, request, { timeoutMs });
  expect(usage).toMatchObject({ onlineSince, jobs: recent.map((job) => ({ job })) });
  expect(
    await settlement.bus.call(services.settlement.statement, request, { timeoutMs }),
  ).toMatchObject({ onlineSince, lines: [{ kind: 'deposit' }, { kind: 'charge' }] });
});

test('a repeated report of an archived job is not charged again, even if the clock of its ingress was ahead', async () => {
  const { account, old } = await chargedJobs({ old: 2, recent: 0 });
  await archive();
  const [first, second] = old as [string, string];
  tell(ended(first, account, { at: middleOf(month) }), ' again');
  tell(ended(second, account, { at: startOf(addMonths(month, 1)).getTime() + 60_000 }), ' again');
  const { stream, name } = consumers.settlementJobs;
  const manager = await settlement.bus.manager();
  await vi.waitFor(async () =>
    expect(await manager.consumers.info(stream, name)).toMatchObject({
      num_pending: 0,
      num_ack_pending: 0,
    }),
  );
  expect(await charges(account)).toEqual([]);
  await shows(account, 1_000_000 - 2 * COST, 0);
});

class InterruptedStore extends ArchiveStore {
  override deleteJobs(): Promise<number> {
    return Promise.reject(new Error('the process was killed'));
  }
}

test('a run that was interrupted before it deleted anything is finished by the next one with the same file', async () => {
  const { account, old } = await chargedJobs({ old: 2, recent: 0 });
  await expect(archive({ store: new InterruptedStore(owner) })).rejects.toThrow('was killed');
  expect(await charges(account)).toEqual(old);
  const written = await readFile(fileOf(month));
  await expect(archive({ folder: join(folder, 'elsewhere') })).rejects.toMatchObject({
    code: 'file_missing',
  });
  await archive();
  expect(await charges(account)).toEqual([]);
  expect((await readFile(fileOf(month))).equals(written)).toBe(true);
});

test('nothing is deleted if the file has changed since it was written', async () => {
  const { account, old } = await chargedJobs({ old: 1, recent: 0 });
  await expect(archive({ store: new InterruptedStore(owner) })).rejects.toThrow('was killed');
  const written = await readFile(fileOf(month));
  await writeFile(fileOf(month), Buffer.concat([written, Buffer.from([0])]));
  await expect(archive()).rejects.toMatchObject({ code: 'wrong_file' });
  expect(await charges(account)).toEqual(old);
  await writeFile(fileOf(month), written);
  await archive();
});

test('a file that this database did not write is not overwritten', async () => {
  const { account, old } = await chargedJobs({ old: 1, recent: 0 });
  await writeFile(fileOf(month), 'of another network');
  await expect(archive()).rejects.toMatchObject({ code: 'file_exists' });
  expect(await readFile(fileOf(month), 'utf8')).toBe('of another network');
  expect(await charges(account)).toEqual(old);
  await rm(fileOf(month));
  await archive();
});

test('nothing is exported while the books do not balance', async () => {
  const { account, old } = await chargedJobs({ old: 1, recent: 0 });
  await expect(archive({ prove: async () => false })).rejects.toMatchObject({ code: 'unproven' });
  expect(await readdir(folder)).not.toContain(`ledger-${month}.jsonl.gz`);
  expect(await charges(account)).toEqual(old);
  await archive();
});

test('a charge that no proof has read stays in the database until the next proof', async () => {
  await ledger.verify(true);
  const { account, old } = await chargedJobs({ old: 1, recent: 0 });
  await expect(archive({ prove: async () => true })).rejects.toMatchObject({ code: 'rows_left' });
  expect(await charges(account)).toEqual(old);
  await archive();
  expect(await charges(account)).toEqual([]);
});

test('two processes do not archive at the same time', async () => {
  await store.asOnlyArchiver(async () => {
    await expect(archive()).rejects.toMatchObject({ code: 'busy' });
  });
});

test('a charge cannot be deleted before its month is archived, and never by a component', async () => {
  const { account, recent } = await chargedJobs({ old: 0, recent: 1 });
  await expect(owner.query('DELETE FROM charges WHERE account = $1', [account])).rejects.toThrow(
    'is not archived',
  );
  await expect(
    settlement.database.query('DELETE FROM charges WHERE account = $1', [account]),
  ).rejects.toThrow('permission denied');
  expect(await charges(account)).toEqual(recent);
});
