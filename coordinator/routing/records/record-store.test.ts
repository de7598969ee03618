import type { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { MachineMemory } from '../core/machine-memory.ts';
import type { MachineCounts } from '../core/unwritten-records.ts';
import { type DatabaseUnderTest, startDatabase } from '../database-under-test.ts';
import { deleteUnseen, putRecords, readLifetimes, readRecords } from './record-store.ts';

const MACHINE = `A${'B'.repeat(55)}`;
let owner: Pool;
let database: Pool;
let under: DatabaseUnderTest;

beforeAll(async () => {
  under = await startDatabase();
  ({ owner, database } = under);
});
afterAll(() => under[Symbol.asyncDispose]());
beforeEach(() => owner.query('TRUNCATE machine_records'));

const memoryWith = (answers: number): MachineMemory => ({
  pace: { logExcess: 1, fleetLogDelay: 0, answers, quietMs: 0 },
});

interface Write {
  readonly writer?: string;
  readonly number: number;
  readonly served?: number;
  /** Undefined if nothing was observed. */
  readonly observedAgeMs?: number;
  readonly memory?: MachineMemory;
  /** Undefined if the machine has left. */
  readonly chip?: string;
  readonly memoryMb?: number;
}

function write({
  writer = 'one',
  number,
  served = 0,
  observedAgeMs,
  memory = {},
  chip,
  memoryMb = 16_000,
}: Write) {
  const now = 1_000_000;
  const counts: MachineCounts = { served, failed: 0, refused: 0, blamed: 0, tokens: 10 * served };
  const observedAt = observedAgeMs === undefined ? undefined : now - observedAgeMs;
  const records = new Map([[MACHINE, { counts, observedAt }]]);
  return putRecords(database, {
    writer,
    batch: { number, records },
    memoryOf: () => memory,
    computerOf: () => (chip === undefined ? undefined : { chip, memoryMb }),
    now,
  });
}

async function row() {
  const { rows } = await owner.query<{ served: number; tokens: number; state: MachineMemory }>(
    'SELECT served::int, tokens::int, state FROM machine_records',
  );
  return rows[0];
}

test('the chip that a machine reported last stays known after it has left', async () => {
  await write({ number: 1 });
  expect((await readLifetimes(database, [MACHINE]))[0]).not.toHaveProperty('chip');
  for (const [number, chip] of [
    [2, 'Apple M1'],
    [3, 'Apple M4'],
    [4, undefined],
  ] as const)
    await write({ number, ...(chip !== undefined && { chip }) });
  expect(await readLifetimes(database, [MACHINE])).toMatchObject([{ chip: 'Apple M4' }]);
});

test('counters grow with each batch, and by a batch that is repeated only once', async () => {
  await write({ number: 1, served: 2, observedAgeMs: 0 });
  await write({ number: 2, served: 3, observedAgeMs: 0 });
  await write({ number: 2, served: 3, observedAgeMs: 0 });
  expect(await row()).toMatchObject({ served: 5, tokens: 50 });
  await write({ writer: 'other', number: 1, served: 1, observedAgeMs: 0 });
  expect(await row()).toMatchObject({ served: 6 });
});

test('an older observation adds its counts and does not replace a newer state', async () => {
  await write({ writer: 'new', number: 1, observedAgeMs: 1_000, memory: memoryWith(7) });
  await write({
    writer: 'stale',
    number: 9,
    served: 1,
    observedAgeMs: 60_000,
    memory: memoryWith(1),
  });
  expect(await row()).toMatchObject({ served: 1, state: memoryWith(7) });
  await write({ writer: 'newest', number: 1, observedAgeMs: 0, memory: memoryWith(8) });
  expect(await row()).toMatchObject({ state: memoryWith(8) });
});

test('a machine that is only connected keeps its state and is seen', async () => {
  await write({ number: 1, observedAgeMs: 0, memory: memoryWith(7) });
  await owner.query(`UPDATE machine_records SET seen_at = now() - interval '5 days'`);
  await write({ writer: 'other', number: 1 });
  const [read] = await readRecords(database, [MACHINE, `A${'C'.repeat(55)}`]);
  expect(read).toMatchObject({ provider: MACHINE, writer: 'other', state: memoryWith(7) });
  expect(read?.seenAgeMs).toBeLessThan(60_000);
});

test('the age of a state grows by the clock of the database', async () => {
  await write({ number: 1, observedAgeMs: 0 });
  await owner.query(`UPDATE machine_records SET state_at = state_at - interval '1 hour'`);
  const [read] = await readRecords(database, [MACHINE]);
  expect(read?.stateAgeMs).toBeGreaterThanOrEqual(3_600_000);
  expect(read?.stateAgeMs).toBeLessThan(3_700_000);
});

test('a state from the future, written before a clock was set back, is replaced', async () => {
  await write({ number: 1, observedAgeMs: 0, memory: memoryWith(1) });
  await owner.query(`UPDATE machine_records SET observed_at = now() + interval '1 day'`);
  await write({ number: 2, observedAgeMs: 0, memory: memoryWith(2) });
  expect(await row()).toMatchObject({ state: memoryWith(2) });
});

test('machines that were not seen for 90 days are deleted in batches, and no others', async () => {
  await owner.query(
    `INSERT INTO machine_records (provider, seen_at, served, failed, refused, blamed, tokens, writer, batch, observed_at, state_at, state)
     SELECT 'machine ' || day, now() - day * interval '1 day', 0, 0, 0, 0, 0, '', 0, now(), now(), '{}' FROM generate_series(87, 94) AS day`,
  );
  expect(await deleteUnseen(database, 3)).toBe(true);
  expect(await deleteUnseen(database, 3)).toBe(false);
  const { rows } = await owner.query<{ provider: string }>(
    'SELECT provider FROM machine_records ORDER BY provider',
  );
  expect(rows.map(({ provider }) => provider)).toEqual([87, 88, 89].map((day) => `machine ${day}`));
});

test('the role of the router cannot change who a machine is or when it came', async () => {
  await write({ number: 1 });
  for (const column of ['provider', 'first_seen_at'])
    await expect(
      database.query(`UPDATE machine_records SET ${column} = ${column}`),
    ).rejects.toThrow(/permission denied/);
});
