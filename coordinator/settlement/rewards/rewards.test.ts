import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { randomToken, type TokenPromotion } from '#bus-schemas';
import { startTestDatabase } from '#testcontainers';
import {
  Crash,
  type CrashPoint,
  crashesInTurn,
  crashingPool,
} from '../jobs/crashing-pool-under-test.ts';
import { PromotionStore } from './promotion-store.ts';
import { rewardRows } from './reward-rows.ts';
import {
  DAY,
  EARLIER_DAY,
  hoursOf,
  POLICY,
  PRICE,
  RewardsUnderTest,
} from './rewards-under-test.ts';

const AMOUNT = POLICY.amountMicroUsd;
const BALANCED = { unbalancedTransactions: 0, driftedBalances: 0, negativeBalances: 0 };

const stack = new AsyncDisposableStack();
let template: string;
beforeAll(async () => {
  template = stack.use(await startTestDatabase()).databaseUrl;
}, 60_000);
afterAll(() => stack.disposeAsync());

const newAccount = () => `acct_${randomToken(12)}`;

/** A network with a policy and a fund for many days. */
async function network(policy = POLICY): Promise<RewardsUnderTest> {
  const under = await RewardsUnderTest.start(template);
  await under.policyFrom(DAY, policy);
  await under.fill(20 * AMOUNT);
  return under;
}

/** What one run of the job does, for a day that is over. */
async function settle(under: RewardsUnderTest, job = under.job()): Promise<void> {
  await using running = job;
  expect(await running.collect()).toBe(true);
  await running.decide(DAY);
  await running.pay();
}

const reasonsOf = async (under: RewardsUnderTest) =>
  (await under.rows()).map(({ reasons }) => reasons.map(({ reason }) => reason));

test('a machine that was ready is paid once, out of the fund, and the money matures like earnings', async () => {
  await using under = await network();
  const owner = newAccount();
  const provider = await under.link(owner);
  for (let run = 0; run < 3; run += 1) await settle(under);
  expect(await under.rows()).toEqual([{ provider, amount: AMOUNT, reasons: [], isPaid: true }]);
  expect(await under.balanceOf(`consumer:${owner}`)).toBe(PRICE + AMOUNT);
  expect(await under.balanceOf('platform:rewards')).toBe(19 * AMOUNT);
  expect(await under.balanceOf('platform:rewards-due')).toBe(0);
  expect(await under.ledger.balance(owner)).toMatchObject({
    available: PRICE + AMOUNT,
    withdrawable: PRICE,
    maturing: [{ amountMicroUsd: AMOUNT }],
  });
  expect(await under.ledger.verify(true)).toMatchObject(BALANCED);
});

test('a machine that gets nothing has a row with the reason, also if it was away all day', async () => {
  await using under = await network();
  const owner = newAccount();
  const short = await under.link(owner, { hours: 1 });
  const away = await under.link(owner, { hours: 0 });
  under.ready[1]?.hours.push(...hoursOf(EARLIER_DAY, 5));
  await settle(under);
  const { rows } = await rewardRows(under.database, { account: owner, limit: 10 });
  const reasonsFor = (machine: string) =>
    rows.find(({ provider }) => provider === machine)?.reasons;
  expect(reasonsFor(short)).toEqual([{ reason: 'hours', has: 60, needs: 120 }]);
  expect(reasonsFor(away)).toEqual([{ reason: 'hours', has: 0, needs: 120 }]);
  expect(rows.map(({ amountMicroUsd }) => amountMicroUsd)).toEqual([0, 0]);
  expect(await under.balanceOf('platform:rewards')).toBe(20 * AMOUNT);
});

test('the process is killed at any statement, and the next one pays neither twice nor never', async () => {
  for (const point of ['before', 'after'] satisfies CrashPoint[])
    for (let after = 0; ; after += 1) {
      await using under = await network();
      const owner = newAccount();
      await under.link(owner);
      await under.link(owner, { hours: 0 });
      const next = crashesInTurn([{ after, point }]);
      let hasCrashed = false;
      await settle(under, under.job(crashingPool(under.database, next))).catch((error: unknown) => {
        if (!(error instanceof Crash)) throw error;
        hasCrashed = true;
      });
      if (!hasCrashed) break;
      await settle(under);
      expect(await under.balanceOf(`consumer:${owner}`), `${point} ${after}`).toBe(
        2 * PRICE + AMOUNT,
      );
      expect(await under.balanceOf('platform:rewards')).toBe(19 * AMOUNT);
      expect(await under.ledger.verify(true)).toMatchObject(BALANCED);
    }
}, 300_000);

test('two processes at the same time pay each machine once', async () => {
  await using under = await network();
  const owners = Array.from({ length: 12 }, newAccount);
  for (const owner of owners) await under.link(owner);
  await Promise.all([settle(under), settle(under), settle(under)]);
  await settle(under);
  // The budget of the day is enough for ten.
  expect((await under.rows()).filter(({ isPaid }) => isPaid)).toHaveLength(10);
  expect((await reasonsOf(under)).flat()).toEqual(['budget', 'budget']);
  const balances = await Promise.all(owners.map((owner) => under.balanceOf(`consumer:${owner}`)));
  expect(balances.reduce((sum, balance) => sum + balance, 0)).toBe(12 * PRICE + 10 * AMOUNT);
  expect(await under.ledger.verify(true)).toMatchObject(BALANCED);
});

test('days are paid by the policy that they began with, and a policy cannot be changed afterwards', async () => {
  await using under = await network();
  await under.policyFrom(EARLIER_DAY, null);
  await under.link(newAccount());
  const change = (text: string, ...values: unknown[]) => under.database.query(text, values);
  await expect(
    change('UPDATE reward_policies SET policy = NULL WHERE starts_on = $1', DAY),
  ).rejects.toThrow('has begun and cannot change');
  await expect(change('DELETE FROM reward_policies WHERE starts_on = $1', DAY)).rejects.toThrow(
    'has begun and cannot change',
  );
  await expect(
    change("INSERT INTO reward_policies (starts_on, policy) VALUES ($1, '{}')", '2020-01-01'),
  ).rejects.toThrow('starts_later');
  const tomorrow = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10);
  const { startsOn } = await under.policies.set({ policy: { ...POLICY, amountMicroUsd: 1 } });
  expect(startsOn >= tomorrow).toBe(true);
  await settle(under);
  expect(await under.rows()).toMatchObject([{ amount: AMOUNT }]);
  // The day before had no policy, so nobody gets a row for it.
  expect((await under.policies.read()).days).toEqual([
    { day: DAY, machines: 1, rewarded: 1, amountMicroUsd: AMOUNT },
  ]);
});

test('decided rewards cannot be changed, by components or by the owner of the tables', async () => {
  await using under = await network();
  await under.link(newAccount(), { hours: 0 });
  under.ready[0]?.hours.push(...hoursOf(EARLIER_DAY, 1));
  await settle(under);
  await expect(
    under.database.query('UPDATE machine_rewards SET amount = 1, reasons = $1', ['[]']),
  ).rejects.toThrow('permission denied');
  await expect(under.database.query('DELETE FROM machine_rewards')).rejects.toThrow();
});

test('hours that a wrong clock has counted do not pay', async () => {
  await using under = await network();
  const provider = await under.link(newAccount(), { hours: 0 });
  // Two routers counted the same hour, and one of them lives in the future.
  under.ready[0]?.hours.push(
    { at: Date.parse(DAY), servingMinutes: 200, idleMinutes: 55 },
    { at: Date.now() + 48 * 3_600_000, servingMinutes: 60, idleMinutes: 0 },
  );
  await settle(under);
  expect(await under.rows()).toMatchObject([
    { provider, reasons: [{ reason: 'hours', has: 60, needs: 120 }] },
  ]);
});

test('minutes before a machine proved its hardware do not count, and repeating adds none', async () => {
  await using under = await network();
  const provider = await under.link(newAccount(), { standing: { level: 'self_signed' } });
  await using job = under.job();
  await job.collect();
  // The proof comes late; the hours that are over stay as they were.
  const standing = under.standings.get(provider);
  if (standing) under.standings.set(provider, { ...standing, level: 'hardware' });
  await job.collect();
  await settle(under, under.job());
  expect(await under.rows()).toMatchObject([
    { reasons: [{ reason: 'hardware_trust', has: 0, needs: 120 }] },
  ]);
});

test('fake machines pay nothing: gifts as payment, one computer twice, too many, and machines that were removed', async () => {
  await using under = await network();
  const owner = newAccount();
  await under.link(newAccount(), { isGift: true });
  await under.link(newAccount(), { standing: { sharesComputer: true } });
  await under.link(newAccount(), { standing: { isExcluded: true } });
  await under.link(newAccount(), { standing: { linkedAt: Date.parse(DAY) } });
  for (let index = 0; index < 4; index += 1) await under.link(owner);
  await settle(under);
  expect((await reasonsOf(under)).flat().toSorted()).toEqual([
    'age',
    'excluded',
    'owner_limit',
    'owner_limit',
    'requests',
    'same_computer',
  ]);
  expect(await under.balanceOf(`consumer:${owner}`)).toBe(4 * PRICE + 2 * AMOUNT);
});

test('a fund that ends pays no further machine, and only fees of paid money fill it', async () => {
  await using under = await RewardsUnderTest.start(template);
  await under.policyFrom(DAY, POLICY);
  await under.fill(AMOUNT + 1);
  await under.link(newAccount());
  await under.link(newAccount());
  await settle(under);
  expect((await reasonsOf(under)).flat()).toEqual(['fund']);
  expect(await under.balanceOf('platform:rewards')).toBe(1);
  expect(await under.policies.fund({ amountMicroUsd: 1, operation: 'more' })).toEqual({
    ok: false,
    code: 'insufficient_funds',
  });
  expect(await under.policies.fund({ amountMicroUsd: -1, operation: 'back' })).toEqual({
    ok: true,
    fundMicroUsd: 0,
  });
  expect(await under.policies.fund({ amountMicroUsd: -2, operation: 'back' })).toEqual({
    ok: false,
    code: 'operation_conflict',
  });
});

test('a proof finds money for rewards that no decision explains', async () => {
  await using under = await network();
  await under.link(newAccount());
  await using job = under.job();
  await job.collect();
  await job.decide(DAY);
  expect(await under.ledger.verify(true)).toMatchObject(BALANCED);
  await under.database.query('UPDATE machine_rewards SET paid_at = now()');
  expect((await under.ledger.verify(true)).driftedBalances).toBeGreaterThan(0);
});

test('rewards are read in pages, newest day first', async () => {
  await using under = await network();
  const owner = newAccount();
  for (let index = 0; index < 3; index += 1) await under.link(owner);
  await settle(under);
  const first = await rewardRows(under.database, { account: owner, limit: 2 });
  const rest = await rewardRows(under.database, {
    account: owner,
    limit: 2,
    after: first.next ?? '',
  });
  const providers = [...first.rows, ...rest.rows].map(({ provider }) => provider);
  expect(new Set(providers).size).toBe(3);
  expect(rest.next).toBeUndefined();
  const at = Date.parse(DAY);
  const period = { account: owner, limit: 5 };
  expect(
    (await rewardRows(under.database, { ...period, from: at, until: at + 1 })).rows,
  ).toHaveLength(3);
  expect((await rewardRows(under.database, { ...period, until: at })).rows).toHaveLength(0);
  expect((await rewardRows(under.database, { account: newAccount(), limit: 5 })).rows).toEqual([]);
});

test('minutes of machines are deleted after nine days', async () => {
  await using under = await network();
  await under.database.query(
    `INSERT INTO reward_hours (hour, provider, ready, serving, self_signed, hardware)
     SELECT date_trunc('hour', now()) - n * interval '1 day', 'one', 60, 0, 60, 60 FROM unnest(ARRAY[8, 10]) n`,
  );
  await using job = under.job();
  await job.collect();
  const { rows } = await under.database.query('SELECT hour FROM reward_hours');
  expect(rows).toHaveLength(1);
});

describe('a promotion', () => {
  const PROMOTION: TokenPromotion = {
    promotion: 'spring',
    models: ['sim-model'],
    microUsdPerMillion: 2_000_000,
    startsOn: DAY,
    endsOn: DAY,
    capMicroUsd: 5_000,
    ownerDayMicroUsd: 3_000,
    customerDayMicroUsd: 1_000,
  };
  /** Each machine has answered one customer with so many tokens. */
  const TOKENS = 400;

  async function promoted(changes: Partial<TokenPromotion> = {}): Promise<RewardsUnderTest> {
    const under = await RewardsUnderTest.start(template);
    await under.fill(1_000_000);
    const terms = { ...PROMOTION, ...changes };
    await under.database.query(
      `INSERT INTO token_promotions (name, terms, starts_on, ends_on, set_at) VALUES ('spring', $1, $2, $3, $2::date - 2)`,
      [JSON.stringify(terms), terms.startsOn, terms.endsOn],
    );
    return under;
  }
  const settlePromotions = async (under: RewardsUnderTest, job = under.job()): Promise<void> => {
    await using running = job;
    await running.decidePromotions(DAY);
    await running.pay();
  };
  const rowsOf = async (under: RewardsUnderTest) =>
    (await rewardRows(under.database, { limit: 100 })).rows.map(({ amountMicroUsd, reasons }) => [
      amountMicroUsd,
      ...reasons.map(({ reason }) => reason),
    ]);

  test('pays each machine once for its tokens, and what gifts have paid counts nothing', async () => {
    await using under = await promoted();
    const owner = newAccount();
    await under.link(owner, { tokens: TOKENS });
    await under.link(owner, { tokens: TOKENS, isGift: true });
    await Promise.all([settlePromotions(under), settlePromotions(under)]);
    await settlePromotions(under);
    expect((await rowsOf(under)).toSorted()).toEqual([[0, 'unpaid'], [800]]);
    expect(await under.balanceOf(`consumer:${owner}`)).toBe(2 * PRICE + 800);
    expect(await under.balanceOf('platform:rewards')).toBe(1_000_000 - 800);
    expect((await under.ledger.balance(owner)).maturing).toMatchObject([{ amountMicroUsd: 800 }]);
    expect(await under.ledger.verify(true)).toMatchObject(BALANCED);
  });

  test('pays no more than its cap, what one owner gets, and what one customer brings', async () => {
    await using under = await promoted();
    const owner = newAccount();
    // One answer of 1,000 tokens would bring 2,000.
    for (let index = 0; index < 4; index += 1) await under.link(owner, { tokens: 1_000 });
    for (let index = 0; index < 4; index += 1) await under.link(newAccount(), { tokens: TOKENS });
    await settlePromotions(under);
    const rows = await rowsOf(under);
    expect(rows.filter(([amount]) => amount === 1_000)).toEqual([
      [1_000, 'customer_limit'],
      [1_000, 'customer_limit'],
      [1_000, 'customer_limit'],
    ]);
    expect(rows).toContainEqual([0, 'customer_limit', 'owner_amount']);
    expect(rows.filter(([amount]) => amount === 800)).toHaveLength(2);
    expect(rows).toContainEqual([400, 'promotion_cap']);
    expect(rows).toContainEqual([0, 'promotion_cap']);
    expect(await under.balanceOf('platform:rewards')).toBe(1_000_000 - PROMOTION.capMicroUsd);
    expect(await under.ledger.verify(true)).toMatchObject(BALANCED);
  });

  test('is paid neither twice nor never by processes that are killed', async () => {
    for (const point of ['before', 'after'] satisfies CrashPoint[])
      for (let after = 0; ; after += 1) {
        await using under = await promoted();
        const owner = newAccount();
        await under.link(owner, { tokens: TOKENS });
        const next = crashesInTurn([{ after, point }]);
        let hasCrashed = false;
        await settlePromotions(under, under.job(crashingPool(under.database, next))).catch(
          (error: unknown) => {
            if (!(error instanceof Crash)) throw error;
            hasCrashed = true;
          },
        );
        if (!hasCrashed) break;
        await settlePromotions(under);
        expect(await under.balanceOf(`consumer:${owner}`), `${point} ${after}`).toBe(PRICE + 800);
        expect(await under.ledger.verify(true)).toMatchObject(BALANCED);
      }
  }, 300_000);

  test('pays only for its own days and models, and has terms that cannot change once it has begun', async () => {
    await using under = await promoted({ models: ['another-model'] });
    await under.link(newAccount(), { tokens: TOKENS });
    await settlePromotions(under);
    expect(await rowsOf(under)).toEqual([]);
    await expect(under.database.query(`UPDATE token_promotions SET terms = '{}'`)).rejects.toThrow(
      'has begun and can only end',
    );
    await expect(under.database.query('DELETE FROM token_promotions')).rejects.toThrow(
      'has begun and can only end',
    );
    const promotions = new PromotionStore(under.database, under.ledger);
    const at = (days: number) =>
      new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
    const add = (promotion: string, startsOn: string, endsOn: string) =>
      promotions.add({ ...PROMOTION, promotion, startsOn, endsOn });
    expect(await add('past', DAY, at(9))).toEqual({ ok: false, code: 'begun' });
    expect(await add('odd', at(3), at(2))).toEqual({ ok: false, code: 'wrong_days' });
    expect(await add('odd', 'someday', at(2))).toEqual({ ok: false, code: 'wrong_days' });
    expect(await add('spring', at(2), at(3))).toEqual({ ok: false, code: 'taken' });
    expect(await add('summer', at(2), at(3))).toEqual({ ok: true });
    expect((await promotions.list()).promotions).toMatchObject([
      { promotion: { promotion: 'summer' }, spentMicroUsd: 0 },
    ]);
    expect(await promotions.end('summer')).toEqual({ known: true });
    expect(await promotions.end('summer')).toEqual({ known: false });
  });
});
