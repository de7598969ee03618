import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { newJobId, randomToken, services } from '#bus-schemas';
import { ended, jobsOf } from '../jobs-under-test.ts';
import {
  MODEL,
  OTHER_PROVIDER,
  type Settlement,
  startSettlementUnderTest,
} from '../settlement-under-test.ts';

let settlement: Settlement;
beforeAll(async () => {
  settlement = await startSettlementUnderTest();
}, 60_000);
afterAll(() => settlement[Symbol.asyncDispose]());

const CALL = { timeoutMs: 20_000 };
const { ask, fundedAccount, tell } = jobsOf(() => settlement);
const newKey = () => `key_${randomToken(12)}`;
const setCap = (account: string, dayMicroUsd?: number) =>
  settlement.bus.call(
    services.settlement.setAccountCap,
    { account, ...(dayMicroUsd !== undefined && { dayMicroUsd }) },
    CALL,
  );
const reward = (account: string, amountMicroUsd: number, operation: string) =>
  settlement.bus.call(services.settlement.reward, { account, amountMicroUsd, operation }, CALL);

test('an account with two keys spends no more in a day than its cap, also with many requests at once', async () => {
  const account = await fundedAccount(1_000_000);
  await setCap(account, 200 * 30);
  const keys = [newKey(), newKey()] as const;
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, index) => ask({ account, key: keys[index % 2] as string })),
  );
  expect(answers.filter(({ ok }) => ok)).toHaveLength(30);
  expect(answers.filter((answer) => !answer.ok && answer.code === 'account_limit')).toHaveLength(
    170,
  );
  expect(
    await settlement.bus.call(services.settlement.accountSpending, { account }, CALL),
  ).toMatchObject({ dayMicroUsd: 6_000, usedMicroUsd: 6_000 });
});

test('what a job did not use can be spent again, and without a cap there is no limit', async () => {
  const account = await fundedAccount(1_000_000);
  await setCap(account, 250);
  const [job, key] = [newJobId(), newKey()];
  expect(await ask({ job, account, key })).toMatchObject({ ok: true });
  expect(await ask({ account, key })).toMatchObject({ ok: false, code: 'account_limit' });
  tell(ended(job, account, { key }));
  await vi.waitFor(
    async () =>
      expect(await ask({ account, key: newKey(), outputBound: 40 })).toMatchObject({ ok: true }),
    { timeout: CALL.timeoutMs },
  );
  expect(await ask({ account, key })).toMatchObject({ ok: false, code: 'account_limit' });
  await setCap(account);
  expect(await ask({ account, key })).toMatchObject({ ok: true });
});

test('a job that moves to another provider may not exceed the cap either', async () => {
  const account = await fundedAccount(1_000_000);
  await settlement.database.query(
    `INSERT INTO provider_prices (provider, model, input_per_million, cache_read_per_million, output_per_million)
     VALUES ($1, $2, 2000000, 1000000, 4000000)`,
    [OTHER_PROVIDER, MODEL.id],
  );
  const job = newJobId();
  expect(await ask({ job, account, key: newKey() })).toMatchObject({ ok: true });
  await setCap(account, 300);
  const maxPrice = { inputMicroUsdPerMillion: 9e6, outputMicroUsdPerMillion: 9e6 };
  const topUp = () =>
    settlement.bus.call(
      services.settlement.topUp,
      { job, provider: OTHER_PROVIDER, maxPrice },
      CALL,
    );
  expect(await topUp()).toMatchObject({ ok: false, code: 'account_limit' });
  await setCap(account, 400);
  expect(await topUp()).toMatchObject({ ok: true });
});

test('a reward is paid once out of the fees, can be withdrawn, and is refused if the fees do not cover it', async () => {
  const fees = async (): Promise<number> => {
    const { rows } = await settlement.database.query<{ free: string }>(
      "SELECT balance - promotional AS free FROM ledger_accounts WHERE id = 'platform:fees'",
    );
    return Number(rows[0]?.free);
  };
  // Money that a customer paid in: only fees from such money can become a reward.
  await settlement.database.query(
    `SELECT ledger_post('deposit:for-the-reward', 'deposit', '', ARRAY['platform:fees', 'external:stripe'],
      ARRAY['platform', 'external'], ARRAY[500, -500], ARRAY[0, 0], 'evt.settlement.posted', '')`,
  );
  const before = await fees();
  const winner = await fundedAccount(1);
  expect(await reward(winner, before + 1, 'too-much')).toMatchObject({
    ok: false,
    code: 'insufficient_funds',
  });
  expect(await reward(winner, 500, 'bounty')).toMatchObject({ ok: true, availableMicroUsd: 501 });
  expect(await reward(winner, 500, 'bounty')).toMatchObject({ ok: true, availableMicroUsd: 501 });
  expect(await reward(winner, 400, 'bounty')).toMatchObject({
    ok: false,
    code: 'operation_conflict',
  });
  expect(await fees()).toBe(before - 500);
  expect(
    await settlement.bus.call(services.settlement.balance, { account: winner }, CALL),
  ).toMatchObject({ withdrawableMicroUsd: 500, promotionalMicroUsd: 0 });
  expect(await settlement.bus.call(services.settlement.verify, { full: true }, CALL)).toMatchObject(
    { driftedBalances: 0, unbalancedTransactions: 0, negativeBalances: 0 },
  );
});
