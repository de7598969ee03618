import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type KeyCaps, newJobId, randomToken, services } from '#bus-schemas';
import { ended, jobsOf } from '../jobs-under-test.ts';
import { type Settlement, startSettlementUnderTest } from '../settlement-under-test.ts';

let settlement: Settlement;
beforeAll(async () => {
  settlement = await startSettlementUnderTest();
}, 60_000);
afterAll(() => settlement[Symbol.asyncDispose]());

const timeoutMs = 20_000;
const { ask, fundedAccount, tell } = jobsOf(() => settlement);
const newKey = () => `key_${randomToken(12)}`;
const cap = async (key: string, account: string, caps: KeyCaps) =>
  (await settlement.bus.call(services.settlement.setKeyCaps, { key, account, caps }, { timeoutMs }))
    .used;
/** Moves the window of the key to the past, as if its day, week or month had ended. */
const endWindow = (window: 'day' | 'week' | 'month', key: string) =>
  settlement.database.query(
    `UPDATE key_limits SET ${window} = ${window} - interval '40 days' WHERE key = $1`,
    [key],
  );

test('of a thousand holds at once on a key with money for a hundred, a hundred pass', async () => {
  const account = await fundedAccount(1_000_000);
  const key = newKey();
  await cap(key, account, { day: 200 * 100 });
  const answers = await Promise.all(Array.from({ length: 1_000 }, () => ask({ account, key })));
  expect(answers.filter(({ ok }) => ok)).toHaveLength(100);
  expect(answers.filter((answer) => !answer.ok && answer.code === 'key_limit')).toHaveLength(900);
  expect(await ask({ account, key: newKey() })).toMatchObject({ ok: true });
}, 60_000);

test('the unused part of a hold can be spent again, the charged part cannot', async () => {
  const account = await fundedAccount(10_000);
  const key = newKey();
  await cap(key, account, { total: 300, month: 1_000 });
  const job = newJobId();
  expect(await ask({ job, account, key })).toMatchObject({ ok: true });
  expect(await ask({ account, key })).toMatchObject({ ok: false, code: 'key_limit' });
  tell(ended(job, account, { key }));
  await vi.waitFor(
    async () =>
      expect(await cap(key, account, { total: 300, month: 1_000 })).toEqual({
        day: 70,
        week: 70,
        month: 70,
        total: 70,
      }),
    {
      timeout: timeoutMs,
    },
  );
  expect(await ask({ account, key })).toMatchObject({ ok: true });
  expect(await ask({ account, key, outputBound: 0 })).toMatchObject({ ok: false });
});

test.each(['day', 'week', 'month'] as const)(
  'spending of a past %s does not count, and a job that ends later does not reduce the new one',
  async (window) => {
    const account = await fundedAccount(10_000);
    const key = newKey();
    await cap(key, account, { [window]: 250 });
    const job = newJobId();
    await ask({ job, account, key });
    expect(await ask({ account, key })).toMatchObject({ ok: false, code: 'key_limit' });
    await endWindow(window, key);
    await settlement.database.query(
      "UPDATE holds SET held_at = held_at - interval '40 days' WHERE job = $1",
      [job],
    );
    expect(await ask({ account, key })).toMatchObject({ ok: true });
    tell(ended(job, account, { key }));
    await vi.waitFor(
      async () =>
        expect(await cap(key, account, { [window]: 250 })).toMatchObject({
          [window]: 200,
          total: 270,
        }),
      { timeout: timeoutMs },
    );
  },
);

test('a limit that is set later counts earlier spending of the key', async () => {
  const account = await fundedAccount(10_000);
  const key = newKey();
  const [done, running] = [newJobId(), newJobId()];
  await ask({ job: done, account, key });
  tell(ended(done, account, { key }));
  await vi.waitFor(async () =>
    expect(
      (await settlement.database.query('SELECT 1 FROM charges WHERE job = $1', [done])).rowCount,
    ).toBe(1),
  );
  await ask({ job: running, account, key });
  expect(await cap(key, account, { total: 400 })).toMatchObject({ total: 270, day: 270 });
  expect(await ask({ account, key })).toMatchObject({ ok: false, code: 'key_limit' });
  await cap(key, account, {});
  expect(await ask({ account, key })).toMatchObject({ ok: true });
});

const spendingOf = async (account: string, key: string) =>
  (await settlement.bus.call(services.settlement.keySpending, { account, key }, { timeoutMs }))
    .keys[0];

test('a key without a limit shows its holds and its spending', async () => {
  const account = await fundedAccount(10_000);
  const [key, other] = [newKey(), newKey()];
  const job = newJobId();
  await ask({ job, account, key });
  await ask({ account, key: other });
  const held = { day: 200, week: 200, month: 200, total: 200 };
  expect(await spendingOf(account, key)).toMatchObject({ caps: {}, used: held });
  tell(ended(job, account, { key }));
  const charged = { day: 70, week: 70, month: 70, total: 70 };
  await vi.waitFor(
    async () => expect(await spendingOf(account, key)).toMatchObject({ used: charged }),
    { timeout: timeoutMs },
  );
  // The end of a job that is delivered again is counted once.
  tell(ended(job, account, { key }));
  expect(await spendingOf(account, other)).toMatchObject({ caps: {}, used: held });
  expect(await spendingOf(account, key)).toMatchObject({ used: charged });
});

test('a hundred new keys at once are all counted, and none is refused', async () => {
  const account = await fundedAccount(1_000_000);
  const keys = Array.from({ length: 100 }, newKey);
  const answers = await Promise.all(
    keys.flatMap((key) => [ask({ account, key }), ask({ account, key })]),
  );
  expect(answers.every(({ ok }) => ok)).toBe(true);
  const { keys: spent } = await settlement.bus.call(
    services.settlement.keySpending,
    { account },
    { timeoutMs },
  );
  expect(spent.map(({ used }) => used.total)).toEqual(keys.map(() => 400));
});

test('a full proof finds a key whose spending is not the sum of its jobs', async () => {
  const account = await fundedAccount(10_000);
  const key = newKey();
  await ask({ account, key });
  const verify = () =>
    settlement.bus.call(services.settlement.verify, { full: true }, { timeoutMs });
  expect(await verify()).toMatchObject({ driftedBalances: 0 });
  const add = (amount: number) =>
    settlement.database.query('UPDATE key_limits SET total_used = total_used + $2 WHERE key = $1', [
      key,
      amount,
    ]);
  await add(1);
  expect(await verify()).toMatchObject({ ok: false, driftedBalances: 1 });
  await add(-1);
  expect(await verify()).toMatchObject({ driftedBalances: 0 });
});
