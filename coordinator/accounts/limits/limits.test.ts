import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { byName, RATE_LIMIT_NAMES } from '#bus-schemas';
import { startAccountsDatabase } from '../accounts-under-test.ts';
import { Limits } from './limits.ts';

let accounts: Awaited<ReturnType<typeof startAccountsDatabase>>;
let limits: Limits;
beforeAll(async () => {
  accounts = await startAccountsDatabase();
  limits = new Limits(accounts.database);
});
beforeEach(() => accounts.database.query('DELETE FROM rate_slots'));
afterAll(() => accounts[Symbol.asyncDispose]());

const take = (subject: string, requests: number, fields: object = {}) => ({
  inputTokens: 10,
  outputTokens: 5,
  subjects: [{ subject, limits: { requests } }],
  ...fields,
});
/** Moves all recorded use into the past by this many seconds. */
const age = (seconds: number) =>
  accounts.database.query('UPDATE rate_slots SET slot = slot - $1', [seconds / 5]);
const passed = async (takes: Parameters<Limits['take']>[0]) =>
  (await limits.take(takes)).map(({ ok }) => ok);

describe('a limit by the minute', () => {
  test('holds for many requests at once over many connections', async () => {
    const batches = await Promise.all(
      Array.from({ length: 40 }, () =>
        passed(Array.from({ length: 10 }, () => take('key_a', 100))),
      ),
    );
    expect(batches.flat().filter(Boolean)).toHaveLength(100);
  });

  test('reports the remaining use and the time until more is allowed', async () => {
    const [first, second, third] = await limits.take([
      take('key_a', 2),
      take('key_a', 2),
      take('key_a', 2),
    ]);
    expect([
      first?.requests?.remaining,
      second?.requests?.remaining,
      third?.requests?.remaining,
    ]).toEqual([1, 0, 0]);
    expect(third).toMatchObject({ ok: false });
    expect(third?.retryAfterMs).toBeGreaterThan(50_000);
    expect(third?.retryAfterMs).toBeLessThanOrEqual(65_000);
    expect(third?.inputTokens).toBeUndefined();
  });

  test('holds for any sixty seconds, not for each minute of the clock', async () => {
    expect(await passed([take('key_a', 2), take('key_a', 2)])).toEqual([true, true]);
    await age(60);
    expect(await passed([take('key_a', 2)])).toEqual([false]);
    await age(5);
    expect(await passed([take('key_a', 2)])).toEqual([true]);
  });

  test('of tokens admits a small request where a large one does not fit', async () => {
    const tokens = (inputTokens: number) => ({
      inputTokens,
      outputTokens: 0,
      subjects: [{ subject: 'key_t', limits: { inputTokens: 100 } }],
    });
    expect(await passed([tokens(80), tokens(30), tokens(20), tokens(1)])).toEqual([
      true,
      false,
      true,
      false,
    ]);
  });

  test('that refuses for one of two subjects uses up nothing of the other', async () => {
    const both = {
      inputTokens: 0,
      outputTokens: 0,
      subjects: [
        { subject: 'key_b', limits: { requests: 5 } },
        { subject: 'acct_b', limits: { requests: 1 } },
      ],
    };
    expect(await passed([both, both, both])).toEqual([true, false, false]);
    const [last] = await limits.take([take('key_b', 5)]);
    expect(last?.requests?.remaining).toBe(3);
  });

  test.each(RATE_LIMIT_NAMES)('of %s refuses a request above it', async (name) => {
    const one = {
      ...byName(RATE_LIMIT_NAMES, () => 1),
      subjects: [{ subject: 'key_e', limits: { [name]: 1 } }],
    };
    const [first, second] = await limits.take([one, one]);
    expect([first?.ok, second?.ok]).toEqual([true, false]);
    expect(first?.[name]?.remaining).toBe(0);
  });

  test('of one subject does not affect another, and old use is deleted', async () => {
    expect(await passed([take('key_c', 1), take('key_d', 1), take('key_c', 1)])).toEqual([
      true,
      true,
      false,
    ]);
    await age(70);
    await limits.deleteOld();
    expect((await accounts.database.query('SELECT * FROM rate_slots')).rows).toEqual([]);
  });
});
