import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { newJobId, services } from '#bus-schemas';
import { FakeStripe } from '#testcontainers';
import { ended, jobsOf, newAccount } from '../jobs-under-test.ts';
import {
  OWNED_PROVIDER,
  OWNER,
  PROVIDER,
  type Settlement,
  startSettlementUnderTest,
} from '../settlement-under-test.ts';

const DOLLAR = 1_000_000;
/** The cost of one job in these tests, in micro-dollars. */
const CHARGE = 70;
const FEE = 3;

let stripe: FakeStripe;
let settlement: Settlement;
beforeAll(async () => {
  stripe = await FakeStripe.start();
  settlement = await startSettlementUnderTest({
    stripe: { apiKey: stripe.apiKey, webhookSecret: stripe.webhookSecret, url: stripe.url },
  });
}, 60_000);
afterAll(async () => {
  await settlement[Symbol.asyncDispose]();
  await stripe[Symbol.asyncDispose]();
});

const timeoutMs = 20_000;
const { ask, balanceOf, fundedAccount, give, shows, tell } = jobsOf(() => settlement);
const verify = () => settlement.bus.call(services.settlement.verify, { full: true }, { timeoutMs });

/** Runs one job that the account pays for, on a machine of OWNER or on one without an owner. */
async function work(account: string, provider: string): Promise<void> {
  const [job, { availableMicroUsd }] = [newJobId(), await balanceOf(account)];
  await ask({ job, account, provider });
  tell(ended(job, account, { provider }));
  await shows(account, availableMicroUsd - CHARGE, 0);
}

async function partsOf(id: string) {
  type Row = Record<'balance' | 'earned' | 'promotional', number>;
  const { rows } = await settlement.database.query<Row>(
    'SELECT balance::int, earned::int, promotional::int FROM ledger_accounts WHERE id = $1',
    [id],
  );
  return rows[0];
}

async function mayWithdraw(account: string): Promise<void> {
  await settlement.bus.call(
    services.settlement.onboard,
    { account, refreshUrl: 'https://example.com', returnUrl: 'https://example.com' },
    { timeoutMs },
  );
  const id = [...stripe.bank.accounts.keys()].at(-1) as string;
  await settlement.bus.call(services.settlement.webhook, stripe.sign(stripe.bank.onboard(id)), {
    timeoutMs,
  });
}

test('credit spent on another account’s machine can never be withdrawn there, however old it is', async () => {
  const account = newAccount();
  await give(account, 5 * DOLLAR);
  await mayWithdraw(OWNER);
  const job = newJobId();
  const long = {
    promptBound: 2_000_000,
    usage: { promptTokens: 2_000_000, cachedTokens: 0, completionTokens: 20 },
  };
  await settlement.bus.call(
    services.settlement.hold,
    {
      job,
      account,
      key: 'key_test',
      provider: OWNED_PROVIDER,
      model: 'sim-model',
      promptBound: long.promptBound,
      outputBound: 20,
      expiresAt: Date.now() + 600_000,
    },
    { timeoutMs },
  );
  tell(ended(job, account, { provider: OWNED_PROVIDER, ...long }));
  // The platform's fee is 5 % of a charge of 2,000,040.
  const share = 1_900_038;
  await vi.waitFor(
    async () =>
      expect(await partsOf(`consumer:${OWNER}`)).toEqual({
        balance: share,
        earned: 0,
        promotional: share,
      }),
    timeoutMs,
  );
  await settlement.database.query("UPDATE earnings SET hour = hour - interval '40 days'");
  expect(await balanceOf(OWNER)).toMatchObject({
    availableMicroUsd: share,
    promotionalMicroUsd: share,
    withdrawableMicroUsd: 0,
    maturing: [],
  });
  const withdrawal = { account: OWNER, amountMicroUsd: DOLLAR, instant: false, operation: 'out' };
  expect(
    await settlement.bus.call(services.settlement.withdraw, withdrawal, { timeoutMs }),
  ).toMatchObject({ ok: false, code: 'insufficient_funds' });
  // The owner can spend the credit, and it stays promotional credit for the account that earns it
  // next.
  await work(OWNER, PROVIDER);
  expect(await partsOf(`provider:${PROVIDER}`)).toEqual({
    balance: CHARGE - FEE,
    earned: 0,
    promotional: CHARGE - FEE,
  });
  expect(await verify()).toMatchObject({
    driftedBalances: 0,
    unbalancedTransactions: 0,
    negativeBalances: 0,
  });
});

test('credit is spent before bought money, and the charge that uses up the credit earns money for the rest', async () => {
  const account = await fundedAccount(1_000);
  await give(account, 100);
  const before = await partsOf(`provider:${PROVIDER}`);
  await work(account, PROVIDER);
  expect(await partsOf(`consumer:${account}`)).toEqual({
    balance: 1_030,
    earned: 0,
    promotional: 30,
  });
  await work(account, PROVIDER);
  expect(await partsOf(`consumer:${account}`)).toEqual({ balance: 960, earned: 0, promotional: 0 });
  const after = await partsOf(`provider:${PROVIDER}`);
  expect([
    (after?.promotional ?? 0) - (before?.promotional ?? 0),
    (after?.earned ?? 0) - (before?.earned ?? 0),
  ]).toEqual([100 - 2 * FEE, 40]);
});

test('credit pays the fee first, then the referrer, then the provider', async () => {
  const [account, referrer] = [await fundedAccount(1_000), newAccount()];
  await give(account, 16);
  await settlement.bus.call(
    services.settlement.setTerms,
    { account, service: false, feeBps: 2_000, referrer },
    { timeoutMs },
  );
  const fees = await partsOf('platform:fees');
  await work(account, PROVIDER);
  // The fee on a charge of 70 is 14: 12 for the platform and 2 for the referrer.
  expect(((await partsOf('platform:fees'))?.promotional ?? 0) - (fees?.promotional ?? 0)).toBe(12);
  expect(await partsOf(`consumer:${referrer}`)).toEqual({ balance: 2, earned: 0, promotional: 2 });
  const { lines } = await settlement.bus.call(
    services.settlement.statement,
    { account, limit: 10 },
    { timeoutMs },
  );
  expect(lines.map(({ kind, promotionalMicroUsd }) => [kind, promotionalMicroUsd])).toEqual([
    ['deposit', undefined],
    ['credit', 16],
    ['charge', -16],
  ]);
});

test('a proof detects a balance whose promotional part differs from its postings', async () => {
  const account = await fundedAccount(1_000);
  const set = (amount: number) =>
    settlement.database.query('UPDATE ledger_accounts SET promotional = $2 WHERE id = $1', [
      `consumer:${account}`,
      amount,
    ]);
  await set(1);
  expect(await verify()).toMatchObject({ ok: false, driftedBalances: 1 });
  await set(0);
  expect(await verify()).toMatchObject({ driftedBalances: 0 });
  await expect(set(1_001)).rejects.toThrow('promotional_is_there');
});

test('a proof does not continue from one of a release without promotional credit', async () => {
  await verify();
  await give(newAccount(), 1_000);
  await settlement.database.query(
    'UPDATE ledger_proofs SET at = now(), seen = pg_current_snapshot()',
  );
  const { newEntries, ...proof } = await settlement.bus.call(
    services.settlement.verify,
    { full: false },
    { timeoutMs },
  );
  expect(proof).toMatchObject({ driftedBalances: 0 });
  expect(newEntries).toBeGreaterThan(2);
});
