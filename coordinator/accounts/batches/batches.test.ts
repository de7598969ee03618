import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { newIngressId, newJobId, randomToken } from '#bus-schemas';
import { transaction } from '#coordinator/sql.ts';
import { lockWaits } from '#testcontainers';
import { startAccountsDatabase } from '../accounts-under-test.ts';
import { StoredObjects } from '../stored/stored-objects.ts';
import { MAX_BYTES } from '../stored/stored-usage.ts';
import { BatchRuns } from './batch-runs.ts';
import { Batches, MAX_OPEN_BATCHES } from './batches.ts';

const HOUR_MS = 3_600_000;
const LEASE_MS = 30_000;
let accounts: Awaited<ReturnType<typeof startAccountsDatabase>>;
let batches: Batches;
let runs: BatchRuns;
let stored: StoredObjects;
let now = 1_800_000_000_000;

beforeAll(async () => {
  accounts = await startAccountsDatabase();
  const deps = { bus: { emit: () => undefined } as never, database: accounts.database };
  batches = new Batches({ ...deps, now: () => now });
  runs = new BatchRuns({ ...deps, now: () => now });
  stored = new StoredObjects({ ...deps, now: () => now });
});
beforeEach(async () => {
  await accounts.database.query('DELETE FROM batches');
  await accounts.database.query('DELETE FROM stored_objects');
});
afterAll(() => accounts[Symbol.asyncDispose]());

const listTag = Buffer.alloc(32, 1);
const aBatch = (fields: object = {}) => ({
  account: 'acct_ann1',
  id: `batch_${randomToken(24)}`,
  listTag,
  sealed: Buffer.from('sealed'),
  keys: Buffer.from('keys'),
  runMs: 24 * HOUR_MS,
  keepMs: 720 * HOUR_MS,
  ...fields,
});
const create = async (fields: object = {}) => {
  const { account, id } = await made(aBatch(fields));
  return { account, id };
};
const made = async (batch: ReturnType<typeof aBatch>) => {
  expect(await batches.create(batch)).toMatchObject({ ok: true });
  return batch;
};
const claim = async (runner = newIngressId()) => {
  const claimed = await runs.claim({ runner, leaseMs: LEASE_MS });
  if (!claimed.ok) return undefined;
  return { ...claimed, lease: { account: claimed.account, id: claimed.batch.id, runner } };
};
type Lease = { account: string; id: string; runner: string };
const begin = (lease: Lease, lines: number) => runs.renew({ ...lease, leaseMs: LEASE_MS, lines });
const put = (lease: Lease, line: number, fields: object = {}) =>
  runs.putLine({
    ...lease,
    line,
    job: newJobId(),
    outcome: 'output',
    sealed: Buffer.from(`result ${line}`),
    ...fields,
  });
const running = async (lines: number) => {
  await create();
  const claimed = await claim();
  if (claimed === undefined) throw new Error('there is no batch');
  await begin(claimed.lease, lines);
  return claimed.lease;
};
const read = async ({ account, id }: { account: string; id: string }) => {
  const found = await batches.read({ account, id });
  return found.ok ? found.batch : undefined;
};

describe('a batch', () => {
  test('has the times and numbers of its life, and no key after its end', async () => {
    const named = await create();
    const createdAt = now;
    const claimed = await claim();
    if (claimed === undefined) throw new Error('there is no batch');
    const { lease } = claimed;
    expect(claimed).toMatchObject({ keys: Buffer.from('keys'), batch: { status: 'validating' } });
    now += 1_000;
    expect(await begin(lease, 3)).toEqual({
      ok: true,
      status: 'in_progress',
      roomBytes: MAX_BYTES,
    });
    await put(lease, 0);
    await put(lease, 2, { outcome: 'error' });
    await put(lease, 1);
    now += 1_000;
    await runs.renew({ ...lease, leaseMs: LEASE_MS, isFinalizing: true });
    const end = { ...lease, status: 'completed', hasOutputFile: true, hasErrorFile: true } as const;
    expect(await batches.delete(named)).toBe(false);
    expect(await runs.end(end)).toEqual({ ok: true });
    expect(await runs.end(end)).toEqual({ ok: true });
    expect(await read(named)).toMatchObject({
      status: 'completed',
      lines: 3,
      outputs: 2,
      failures: 1,
      hasOutputFile: true,
      createdAt,
      expiresAt: createdAt + 24 * HOUR_MS,
      inProgressAt: createdAt + 1_000,
      finalizingAt: createdAt + 2_000,
      endedAt: createdAt + 2_000,
      waitsForKeys: false,
    });
    const { rows } = await accounts.database.query(
      'SELECT keys, (SELECT count(*)::int FROM batch_lines) AS lines FROM batches',
    );
    expect(rows).toEqual([{ keys: null, lines: 0 }]);
    expect(await batches.delete({ ...named, account: 'acct_bob1' })).toBe(false);
    expect(await batches.delete(named)).toBe(true);
    expect(await read(named)).toBeUndefined();
  });

  test('is read, listed and cancelled by its account only, until it is deleted', async () => {
    const older = await create({ keepMs: 1_000 });
    now += 500;
    const newer = await create();
    const page = async (fields: object = {}) =>
      (await batches.list({ account: 'acct_ann1', listTag, limit: 1, ...fields })).batches.map(
        ({ id }) => id,
      );
    expect([await page(), await page({ after: newer.id })]).toEqual([[newer.id], [older.id]]);
    expect([await page({ before: older.id }), await page({ before: newer.id })]).toEqual([
      [newer.id],
      [],
    ]);
    expect(await page({ listTag: Buffer.alloc(32, 2) })).toEqual([]);
    const ofAnother = { account: 'acct_bob1', id: newer.id };
    expect(await batches.cancel(ofAnother)).toEqual({ ok: false, code: 'unknown' });
    expect(await read(newer)).toMatchObject({ status: 'validating' });
    expect(await batches.cancel(newer)).toMatchObject({ batch: { status: 'cancelling' } });
    now += 500;
    expect(await read(older)).toBeUndefined();
    await batches.deleteOld();
    const { rows } = await accounts.database.query('SELECT id FROM batches');
    expect(rows).toEqual([{ id: newer.id }]);
  });

  test('is refused when its account has as many unfinished ones as it may, or is full', async () => {
    const answers = await Promise.all(
      Array.from({ length: MAX_OPEN_BATCHES + 4 }, () => batches.create(aBatch())),
    );
    expect(answers.filter(({ ok }) => ok)).toHaveLength(MAX_OPEN_BATCHES);
    expect(answers).toContainEqual({ ok: false, code: 'too_many' });
    await accounts.database.query('UPDATE batches SET result_bytes = $1 WHERE id = $2', [
      MAX_BYTES,
      answers.flatMap((answer) => (answer.ok ? [answer.batch.id] : []))[0],
    ]);
    await accounts.database.query(
      "UPDATE batches SET ended_at = now(), keys = NULL, status = 'expired' WHERE result_bytes = 0",
    );
    expect(await batches.create(aBatch())).toEqual({ ok: false, code: 'full' });
    expect(await batches.create(aBatch({ account: 'acct_bob1' }))).toMatchObject({ ok: true });
  });
});

describe('a lease', () => {
  test('is held by one ingress at a time, and passes to another with the lines that are done', async () => {
    const lease = await running(20);
    expect(await claim()).toBeUndefined();
    for (const line of [0, 9]) await put(lease, line);
    now += LEASE_MS + 1;
    const next = await claim();
    expect([...(next?.done ?? [])].slice(0, 3)).toEqual([1, 2, 0]);
    expect(await put(lease, 1)).toEqual({ ok: false, code: 'lost' });
    expect(await begin(lease, 20)).toEqual({ ok: false, code: 'lost' });
    const end = { ...lease, status: 'failed', hasOutputFile: false, hasErrorFile: false } as const;
    expect(await runs.end(end)).toEqual({ ok: false, code: 'lost' });
    expect(await put(next?.lease as Lease, 1)).toEqual({ ok: true });
  });

  test('that is given back passes to another ingress at once', async () => {
    const lease = await running(1);
    await runs.release({ ...lease, hasUnreadableKeys: false });
    expect(await claim()).toBeDefined();
  });

  test('goes to a batch that never ran before one that was given back', async () => {
    const first = await running(1);
    await runs.release({ ...first, hasUnreadableKeys: false });
    now += 1_000;
    const { id } = await create();
    expect((await claim())?.lease.id).toBe(id);
    expect((await claim())?.lease.id).toBe(first.id);
  });

  test('of a batch whose keys are unreadable waits until its caller grants them again', async () => {
    const lease = await running(1);
    await runs.release({ ...lease, hasUnreadableKeys: true });
    expect(await claim()).toBeUndefined();
    expect(await read(lease)).toMatchObject({ waitsForKeys: true });
    await batches.grant({ ...lease, keys: Buffer.from('new keys') });
    expect(await claim()).toMatchObject({ keys: Buffer.from('new keys') });
  });

  test('goes first to an account that has no running batch', async () => {
    for (let batch = 0; batch < 3; batch += 1) await create();
    now += 1_000;
    const other = await create({ account: 'acct_bob1' });
    await claim();
    expect((await claim())?.account).toBe(other.account);
    expect((await claim())?.account).toBe('acct_ann1');
  });
});

describe('a line', () => {
  test('has one result: a repeated call succeeds, another attempt does not replace it', async () => {
    const lease = await running(2);
    const job = newJobId();
    const first = { job, sealed: Buffer.from('first') };
    expect(await put(lease, 0, first)).toEqual({ ok: true });
    expect(await put(lease, 0, first)).toEqual({ ok: true });
    expect(await put(lease, 0)).toEqual({ ok: false, code: 'lost' });
    expect(await put(lease, 2)).toEqual({ ok: false, code: 'lost' });
    expect(await read(lease)).toMatchObject({ outputs: 1, failures: 0 });
    expect(await runs.readLines({ ...lease, outcome: 'output', from: 0 })).toEqual({
      ok: true,
      lines: [{ line: 0, sealed: Buffer.from('first') }],
      hasMore: false,
    });
  });

  test('is stored for both of two calls at once', async () => {
    const lease = await running(1);
    const result = { job: newJobId(), sealed: Buffer.from('result') };
    const calls = await transaction(accounts.database, async (client) => {
      await client.query('SELECT FROM batches FOR UPDATE');
      const both = Promise.all([put(lease, 0, result), put(lease, 0, result)]);
      await expect.poll(() => lockWaits(accounts.database), { timeout: 20_000 }).toBe(2);
      return { both };
    });
    expect(await calls.both).toEqual([{ ok: true }, { ok: true }]);
    expect(await read(lease)).toMatchObject({ outputs: 1 });
  });

  test('with its neighbours is read in pages that fit into one message, and counts as stored', async () => {
    const lease = await running(5);
    const sealed = Buffer.alloc(300 * 1_024, 7);
    for (let line = 0; line < 5; line += 1)
      await put(lease, line, { sealed, outcome: line === 3 ? 'error' : 'output' });
    const seen: number[] = [];
    for (let from = 0; ; ) {
      const page = await runs.readLines({ ...lease, outcome: 'output', from });
      if (!page.ok) throw new Error('the lease is lost');
      seen.push(...page.lines.map(({ line }) => line));
      expect(page.lines).toHaveLength(1);
      if (!page.hasMore) break;
      from = (seen.at(-1) ?? 0) + 1;
    }
    expect(seen).toEqual([0, 1, 2, 4]);
    expect(await begin(lease, 5)).toMatchObject({ roomBytes: MAX_BYTES - 5 * sealed.length });
    await accounts.database.query('UPDATE batches SET result_bytes = $1', [MAX_BYTES]);
    const file = {
      account: 'acct_ann1',
      id: `file_${randomToken(24)}`,
      version: 0,
      state: 'ended' as const,
      sealed,
      expiresAt: now + HOUR_MS,
    };
    expect(await stored.put(file)).toEqual({ ok: false, code: 'full' });
    expect(await stored.put({ ...file, replacesResults: true })).toEqual({ ok: true });
  });
});
