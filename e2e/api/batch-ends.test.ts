import type OpenAI from 'openai';
import { Pool } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { services } from '#bus-schemas';
import { ask, createBatch, drainable, ended, line, results } from '../batches-under-test.ts';
import { startTestNetwork, type TestNetwork } from '../test-network.ts';

// The ingress is drained while a batch is created, so that each test can change the batch before an
// ingress runs it.

let network: TestNetwork;
let openai: OpenAI;
let database: Pool;
let drain: (draining: boolean) => Promise<void>;

beforeAll(async () => {
  const config = { admin: { host: '127.0.0.1', port: 0 } };
  network = await startTestNetwork({ providers: 1, tokenMs: 20, maxConcurrency: 4, config });
  openai = network.openai();
  database = new Pool({ connectionString: network.network.databaseUrl, max: 1 });
  database.on('error', () => undefined);
  drain = await drainable(network);
});
beforeEach(() => drain(true));
afterEach(() => drain(false));
afterAll(async () => {
  await database.end();
  await network[Symbol.asyncDispose]();
});

const names = ['one', 'two', 'three'];
const create = (client = openai) =>
  createBatch(
    client,
    names.map((name) => line(name, ask('Hi'))),
  );
const change = (id: string, values: string) =>
  database.query(`UPDATE batches SET ${values} WHERE id = $1`, [id]);
const statusOf = async (id: string): Promise<string> => {
  const { rows } = await database.query('SELECT status FROM batches WHERE id = $1', [id]);
  return rows[0]?.status;
};

/** Expects that no line was run, and that the error file states why for each. */
async function expectUnrun(id: string, status: string, code: string): Promise<void> {
  const batch = await ended(openai, id);
  expect(batch).toMatchObject({
    status,
    output_file_id: null,
    request_counts: { total: 3, completed: 0, failed: 3 },
  });
  const errors = await results(openai, batch.error_file_id);
  expect([...errors].map(([name, { error }]) => [name, error.code])).toEqual(
    names.map((name) => [name, code]),
  );
}

test('a batch that is not run within a day expires, and its lines are charged nothing', async () => {
  const { id } = await create();
  await change(id, "expires_at = now() - interval '1 second'");
  await drain(false);
  await expectUnrun(id, 'expired', 'batch_expired');
});

test('a batch of an account that is full runs no line, and its lines name the reason', async () => {
  const { id } = await create();
  await change(id, 'result_bytes = 128 * 1024 * 1024');
  await drain(false);
  await expectUnrun(id, 'completed', 'storage_full');
});

test('a batch that is cancelled finishes the lines that run, and keeps their results', async () => {
  await drain(false);
  const lines = Array.from({ length: 40 }, (_, index) => line(`${index}`, ask('Hi', 60)));
  const { id } = await createBatch(openai, lines);
  await vi.waitFor(
    async () => {
      const { request_counts: counts } = await openai.batches.retrieve(id);
      expect(counts?.completed).toBeGreaterThan(0);
    },
    { timeout: 30_000, interval: 20 },
  );
  const cancelling = await openai.batches.cancel(id);
  expect(cancelling).toMatchObject({ status: 'cancelling', cancelled_at: null });
  const batch = await ended(openai, id);
  expect(batch).toMatchObject({ status: 'cancelled', cancelling_at: cancelling.cancelling_at });
  const answered = await results(openai, batch.output_file_id);
  const unrun = await results(openai, batch.error_file_id);
  expect(answered.size).toBe(batch.request_counts?.completed);
  expect(unrun.size).toBeGreaterThan(0);
  expect(answered.size + unrun.size).toBe(40);
  expect([...unrun.values()].every(({ error }) => error.code === 'batch_cancelled')).toBe(true);
  const jobs = [...answered.values()].map(({ response }) => response.request_id);
  const charged = (await network.charges()).filter(({ chargedMicroUsd: cost }) => cost > 0);
  expect(charged.map(({ job }) => job)).toEqual(expect.arrayContaining(jobs));
  expect((await openai.batches.cancel(id)).status).toBe('cancelled');
});

test('a batch that is cancelled before it was checked runs no line', async () => {
  const { id } = await create();
  expect((await openai.batches.cancel(id)).status).toBe('cancelling');
  await drain(false);
  await expectUnrun(id, 'cancelled', 'batch_cancelled');
});

test('a batch whose input file was deleted fails, and names the file', async () => {
  const { id, input_file_id } = await create();
  await openai.files.delete(input_file_id);
  await drain(false);
  const failed = await ended(openai, id);
  expect(failed.status).toBe('failed');
  expect(failed.errors?.data).toMatchObject([
    { code: 'input_file_not_found', param: 'input_file_id', line: null },
  ]);
});

test('a batch whose API key was revoked runs no line', async () => {
  const { apiKey, key, account } = await network.createKey({ creditMicroUsd: 1_000_000 });
  const { id } = await create(network.openai({ apiKey }));
  const { bus } = network.network.coordinator;
  await bus.call(services.accounts.revokeKey, { key, account }, { timeoutMs: 5_000 });
  const before = (await network.charges()).length;
  await drain(false);
  await vi.waitFor(async () => expect(await statusOf(id)).toBe('failed'), { timeout: 30_000 });
  expect(await network.charges()).toHaveLength(before);
});

test('keys that no ingress can open are renewed by the next request of the caller', async () => {
  const { id } = await create();
  const other = await create();
  // Keys of another batch cannot be opened in this one.
  await change(id, `keys = (SELECT keys FROM batches WHERE id = '${other.id}')`);
  await openai.batches.cancel(other.id);
  await drain(false);
  const keysOf = async () =>
    (await database.query('SELECT keys FROM batches WHERE id = $1', [id])).rows[0].keys;
  await vi.waitFor(async () => expect(await keysOf()).toBeNull(), { timeout: 30_000 });
  expect(network.logs()).toContain('the keys of a batch cannot be opened');
  expect(await ended(openai, id)).toMatchObject({
    status: 'completed',
    request_counts: { completed: 3 },
  });
});

test('a line whose ingress lost the batch costs nothing, and is run again by the next one', async () => {
  const { id } = await create();
  const before = (await network.charges()).length;
  await drain(false);
  await vi.waitFor(() => expect(network.runningSequences()).toBeGreaterThan(0), {
    timeout: 30_000,
    interval: 5,
  });
  await change(id, "runner = 'in_000000000000'");
  await vi.waitFor(
    async () => {
      const refunded = (await network.chargesNow()).slice(before);
      expect(refunded.length).toBeGreaterThan(0);
      expect(refunded.map(({ outcome }) => outcome)).toEqual(refunded.map(() => 'refunded'));
    },
    { timeout: 30_000, interval: 50 },
  );
  await change(id, 'leased_until = NULL');
  const batch = await ended(openai, id);
  expect(batch.request_counts).toMatchObject({ total: 3, completed: 3 });
  const answers = await results(openai, batch.output_file_id);
  const charged = (await network.charges())
    .slice(before)
    .filter(({ chargedMicroUsd: cost }) => cost > 0);
  expect(charged.map(({ job }) => job).toSorted()).toEqual(
    [...answers.values()].map(({ response }) => response.request_id).toSorted(),
  );
});
