import { Pool } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestDatabase } from '#testcontainers';
import { addCheck, forgetAvailability, readAvailability } from './availability.ts';

const DAY_MS = 86_400_000;
const NOON = Date.UTC(2026, 10, 28, 12);
const stack = new AsyncDisposableStack();
let database: Pool;

beforeAll(async () => {
  const { databaseUrl } = stack.use(await startTestDatabase());
  database = new Pool({ connectionString: databaseUrl, max: 2 });
  database.on('error', () => undefined);
  stack.defer(() => database.end());
}, 60_000);
afterAll(() => stack.disposeAsync());

test('checks are counted by day (UTC), thirty days are shown, and ninety are stored', async () => {
  const check = (serves: boolean, at: number) => addCheck(database, [{ model: 'm', serves }], at);
  await check(true, NOON);
  await check(false, NOON + 1);
  await check(true, NOON - DAY_MS);
  await check(true, NOON - 30 * DAY_MS);
  await check(true, NOON - 91 * DAY_MS);
  await addCheck(database, [], NOON);
  const day = (at: number) => Math.floor(at / DAY_MS) * DAY_MS;
  expect(await readAvailability(database, NOON)).toEqual({
    models: [
      {
        model: 'm',
        days: [
          { at: day(NOON - DAY_MS), checks: 1, served: 1 },
          { at: day(NOON), checks: 2, served: 1 },
        ],
      },
    ],
  });
  await forgetAvailability(database, NOON);
  const { rows } = await database.query('SELECT count(*)::int AS n FROM daily_availability');
  expect(rows).toEqual([{ n: 3 }]);
});
