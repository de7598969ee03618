import type { Pool } from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { HOUR_MS, MachineHours } from '../core/machine-hours.ts';
import { type DatabaseUnderTest, startDatabase } from '../database-under-test.ts';
import { deleteDays, readyHours } from './day-store.ts';
import { MachineDays } from './machine-days.ts';

const MACHINE = `A${'B'.repeat(55)}`;
const START = 500_000 * HOUR_MS;
let owner: Pool;
let database: Pool;
let under: DatabaseUnderTest;

beforeAll(async () => {
  under = await startDatabase();
  ({ owner, database } = under);
});
afterAll(() => under[Symbol.asyncDispose]());
beforeEach(() => owner.query('TRUNCATE machine_days'));

/** A router that leads the cell of the machine, at this time. */
function routerAt(now: number, isServed = () => true) {
  const hours = new MachineHours();
  const log = pino({ level: 'silent' });
  const days = new MachineDays({ database, log, hours, now: () => now, isServed });
  return { hours, days, [Symbol.asyncDispose]: () => days[Symbol.asyncDispose]() };
}

test('the day of a machine survives a restart of the router, also within an hour', async () => {
  {
    await using router = routerAt(START + HOUR_MS);
    await router.days.of(MACHINE);
    router.hours.note(MACHINE, 'serving', START);
    router.hours.note(MACHINE, 'draining', START + HOUR_MS);
    router.hours.note(MACHINE, 'draining', START + HOUR_MS);
    // The first question reads the stored day, so that the end of this router may replace it.
    await router.days.of(MACHINE);
    await router.days.writeAll();
  }
  await using next = routerAt(START + HOUR_MS);
  next.hours.note(MACHINE, 'idle', START + HOUR_MS);
  expect(await next.days.of(MACHINE)).toEqual([
    { at: START, servingMinutes: 1, idleMinutes: 0, blockedMinutes: 0 },
    { at: START + HOUR_MS, servingMinutes: 0, idleMinutes: 1, blockedMinutes: 2, gate: 'draining' },
  ]);
  // A second question reads nothing again.
  expect((await next.days.of(MACHINE))[0]?.servingMinutes).toBe(1);
});

test('a router that leads again reads what another one has written meanwhile', async () => {
  await using first = routerAt(START);
  first.hours.note(MACHINE, 'serving', START);
  await first.days.of(MACHINE);
  await first.days.writeAll();
  {
    await using second = routerAt(START);
    second.hours.note(MACHINE, 'serving', START);
    await second.days.of(MACHINE);
    await second.days.writeAll();
  }
  first.days.begin();
  expect((await first.days.of(MACHINE))[0]?.servingMinutes).toBe(2);
});

test('a router shows no machine of another cell', async () => {
  await using first = routerAt(START);
  first.hours.note(MACHINE, 'serving', START);
  await first.days.of(MACHINE);
  await first.days.writeAll();
  await using other = routerAt(START, () => false);
  expect(await other.days.of(MACHINE)).toEqual([]);
});

test('a stored day of another form is ignored, and hours that are over are left out', async () => {
  const put = (hours: unknown) =>
    owner.query(
      'INSERT INTO machine_days (provider, hours) VALUES ($1, $2) ON CONFLICT (provider) DO UPDATE SET hours = $2',
      [MACHINE, JSON.stringify(hours)],
    );
  await put([{ serving: 1 }]);
  await using router = routerAt(START);
  expect(await router.days.of(MACHINE)).toEqual([]);
  const present = START / HOUR_MS;
  await put([
    [present - 30, 60, 0, 0, null],
    [present - 1, 0, 0, 9, 'a gate of another release'],
    [present + 2, 60, 0, 0, null],
  ]);
  await using next = routerAt(START);
  expect(await next.days.of(MACHINE)).toMatchObject([
    { at: START - HOUR_MS, servingMinutes: 0, blockedMinutes: 9 },
  ]);
  await expect(
    put(Array.from({ length: 400 }, () => [present, 1, 1, 1, 'x'.repeat(30)])),
  ).rejects.toThrow('machine_days_hours_check');
});

test('days of machines that are gone for two days are deleted', async () => {
  await owner.query(
    "INSERT INTO machine_days (provider, hours, written_at) VALUES ('old', '[]', now() - interval '3 days'), ('new', '[]', now())",
  );
  await deleteDays(database, 10);
  const { rows } = await owner.query('SELECT provider FROM machine_days');
  expect(rows).toEqual([{ provider: 'new' }]);
});

test('rewards read the hours of all machines, with the memory that they reported last', async () => {
  await owner.query('TRUNCATE machine_records');
  await owner.query(
    `INSERT INTO machine_days (provider, hours) VALUES ($1, $2), ($3, '"broken"')`,
    [MACHINE, JSON.stringify([[START / HOUR_MS, 10, 40, 5, 'paused']]), `A${'C'.repeat(55)}`],
  );
  await owner.query(
    `INSERT INTO machine_records (provider, served, failed, refused, blamed, tokens, writer, batch, observed_at, state_at, state, memory_mb)
     VALUES ($1, 0, 0, 0, 0, 0, 'one', 1, now(), now(), '{}', 64000)`,
    [MACHINE],
  );
  expect(await readyHours(database, '')).toEqual({
    machines: [
      {
        provider: MACHINE,
        memoryMb: 64_000,
        hours: [{ at: START, servingMinutes: 10, idleMinutes: 40 }],
      },
      { provider: `A${'C'.repeat(55)}`, hours: [] },
    ],
  });
  expect((await readyHours(database, MACHINE)).machines).toHaveLength(1);
});
