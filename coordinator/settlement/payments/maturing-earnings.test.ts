import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  earn,
  newAccount,
  onboard,
  type PaymentsUnderTest,
  startPaymentsUnderTest,
} from './payments-under-test.ts';

const DOLLAR = 1_000_000;
const DAY_MS = 24 * 3_600_000;
const HOUR_MS = 3_600_000;

let under: PaymentsUnderTest;
beforeAll(async () => {
  under = await startPaymentsUnderTest();
}, 60_000);
afterAll(() => under[Symbol.asyncDispose]());

/** Creates an account that may withdraw and has earned this amount this many days ago. */
async function earnedBy(account: string, amount: number, daysAgo: number): Promise<void> {
  await earn(under, account, amount);
  await under.database.query(
    `INSERT INTO earnings (account, source, hour, jobs, prompt_tokens, completion_tokens, amount)
     VALUES ('consumer:' || $1, 'a machine', date_trunc('hour', now()) - $2 * interval '1 day', 1, 1, 1, $3)`,
    [account, daysAgo, amount],
  );
}

const withdraw = (account: string, amountMicroUsd: number, operation: string) =>
  under.payments.withdraw({ account, amountMicroUsd, instant: false, operation });

test('a new account withdraws what it earned after seven days, and not before', async () => {
  const account = newAccount();
  await onboard(under, account);
  await earnedBy(account, 3 * DOLLAR, 8);
  await earnedBy(account, 5 * DOLLAR, 6);
  const { withdrawable, available, maturing } = await under.ledger.balance(account);
  expect([withdrawable, available]).toEqual([3 * DOLLAR, 8 * DOLLAR]);
  expect(maturing).toMatchObject([{ amountMicroUsd: 5 * DOLLAR }]);
  const inMs = (maturing[0]?.at ?? 0) - Date.now();
  expect(inMs).toBeGreaterThan(DAY_MS - HOUR_MS);
  expect(inMs).toBeLessThanOrEqual(DAY_MS + HOUR_MS);
  expect(await withdraw(account, 4 * DOLLAR, 'too much')).toMatchObject({
    ok: false,
    code: 'insufficient_funds',
  });
  expect(await withdraw(account, 3 * DOLLAR, 'what matured')).toMatchObject({ ok: true });
  expect(await withdraw(account, DOLLAR, 'too young')).toMatchObject({
    ok: false,
    code: 'insufficient_funds',
  });
  expect(await under.ledger.verify(true)).toMatchObject({
    unbalancedTransactions: 0,
    driftedBalances: 0,
    negativeBalances: 0,
  });
});

test('an account whose first earnings are 30 days old waits for two days', async () => {
  const account = newAccount();
  await onboard(under, account);
  await earnedBy(account, 2 * DOLLAR, 31);
  await earnedBy(account, 3 * DOLLAR, 3);
  await earnedBy(account, 5 * DOLLAR, 1);
  expect(await under.ledger.balance(account)).toMatchObject({
    withdrawable: 5 * DOLLAR,
    maturing: [{ amountMicroUsd: 5 * DOLLAR }],
  });
});

test('two withdrawals at once do not take the same money', async () => {
  const account = newAccount();
  await onboard(under, account);
  await earnedBy(account, 3 * DOLLAR, 8);
  await earnedBy(account, 3 * DOLLAR, 0);
  const answers = await Promise.all(
    ['one', 'two', 'three'].map((operation) => withdraw(account, 2 * DOLLAR, operation)),
  );
  expect(answers.filter(({ ok }) => ok)).toHaveLength(1);
  expect(await under.ledger.balance(account)).toMatchObject({
    withdrawable: DOLLAR,
    available: 4 * DOLLAR,
  });
});
