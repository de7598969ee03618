import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { newJobId, services } from '#bus-schemas';
import { ended, jobsOf, newAccount } from '../jobs-under-test.ts';
import {
  MODEL,
  OTHER_PROVIDER,
  OWNED_PROVIDER,
  OWNER,
  PROVIDER,
  type Settlement,
  startSettlementUnderTest,
} from '../settlement-under-test.ts';

let settlement: Settlement;
beforeAll(async () => {
  settlement = await startSettlementUnderTest({ minimumChargeMicroUsd: 100 });
  await settlement.bus.call(setProviderPrice, DOUBLE_PRICE, { timeoutMs });
}, 60_000);
afterAll(() => settlement[Symbol.asyncDispose]());

const { setProviderPrice, setTerms, topUp, earnings } = services.settlement;
const timeoutMs = 20_000;
const { ask, fundedAccount, shows, tell, ledgerBalance, balanceOf } = jobsOf(() => settlement);
/** This price is twice the catalog's price. */
const DOUBLE_PRICE = {
  provider: OTHER_PROVIDER,
  model: MODEL.id,
  inputMicroUsdPerMillion: 2_000_000,
  outputMicroUsdPerMillion: 4_000_000,
};
/** This limit accepts every price in these tests. */
const maxPrice = { inputMicroUsdPerMillion: 10_000_000, outputMicroUsdPerMillion: 10_000_000 };
const top = (job: string, provider = OTHER_PROVIDER) =>
  settlement.bus.call(topUp, { job, provider, maxPrice }, { timeoutMs });
const agree = (account: string, terms: { feeBps?: number; service?: boolean; referrer?: string }) =>
  settlement.bus.call(setTerms, { account, service: false, ...terms }, { timeoutMs });
/** Moves the owner's earnings 40 days into the past, so that all of them can be withdrawn. */
const letEarningsMature = () =>
  settlement.database.query(
    "UPDATE earnings SET hour = hour - interval '40 days' WHERE account = $1",
    [`consumer:${OWNER}`],
  );
/**
 * The end of a job with 30 prompt tokens and 20 completion tokens. It costs 70 micro-dollars at the
 * catalog's price and 140 at twice that price.
 */
const served = (job: string, account: string, provider: string) =>
  ended(job, account, { provider });

describe('a price', () => {
  test('is the provider’s own if it has one', async () => {
    const account = await fundedAccount(1_000);
    const job = newJobId();
    expect(await ask({ job, account, provider: OTHER_PROVIDER, maxPrice })).toMatchObject({
      ok: true,
      heldMicroUsd: 400,
    });
    tell(served(job, account, OTHER_PROVIDER));
    await shows(account, 860, 0);
  });

  test('is stated with the hold and with each top-up; the caller’s own machine costs nothing', async () => {
    const account = await fundedAccount(10_000);
    await settlement.bus.call(
      services.settlement.credit,
      { account: OWNER, amountMicroUsd: 1_000, operation: 'stated' },
      { timeoutMs },
    );
    const stated = async (payer: string, provider: string, ...later: string[]) => {
      const job = newJobId();
      const held = await ask({ job, account: payer, provider, maxPrice });
      const agreed = [held.ok && held.agreed];
      for (const next of later) {
        const topped = await top(job, next);
        agreed.push(topped.ok && topped.agreed);
      }
      return agreed;
    };
    const agreed = (input: number, cacheRead: number, output: number) => ({
      inputMicroUsdPerMillion: input,
      cacheReadMicroUsdPerMillion: cacheRead,
      outputMicroUsdPerMillion: output,
      minimumMicroUsd: 100,
    });
    const listed = agreed(1_000_000, 500_000, 2_000_000);
    const double = agreed(2_000_000, 1_000_000, 4_000_000);
    expect(await stated(account, OTHER_PROVIDER, PROVIDER, OTHER_PROVIDER)).toEqual([
      double,
      listed,
      double,
    ]);
    const free = agreed(0, 0, 0);
    expect(await stated(OWNER, OWNED_PROVIDER, OWNED_PROVIDER)).toEqual([free, free]);
  });

  test('of a line of a batch is half as high, for hold, top-up and charge', async () => {
    const account = await fundedAccount(10_000);
    const job = newJobId();
    const isBatchLine = true;
    const halves = {
      inputMicroUsdPerMillion: 500_000,
      cacheReadMicroUsdPerMillion: 250_000,
      outputMicroUsdPerMillion: 1_000_000,
      minimumMicroUsd: 50,
    };
    expect(await ask({ job, account, provider: PROVIDER, isBatchLine })).toMatchObject({
      ok: true,
      agreed: halves,
    });
    const wanted = { job, provider: OTHER_PROVIDER, maxPrice, isBatchLine };
    expect(await settlement.bus.call(topUp, wanted, { timeoutMs })).toMatchObject({
      ok: true,
      agreed: { inputMicroUsdPerMillion: 1_000_000, minimumMicroUsd: 50 },
    });
    tell(served(job, account, OTHER_PROVIDER));
    await shows(account, 10_000 - 70, 0);
    // An end whose hold was lost has the same price.
    const lost = newJobId();
    tell({ ...served(lost, account, PROVIDER), isBatchLine });
    await shows(account, 10_000 - 70 - 50, 0);
  });

  test('above the caller’s limit is refused, but a service pays the catalog’s price', async () => {
    const account = await fundedAccount(1_000);
    const aboveLimit = {
      account,
      provider: OTHER_PROVIDER,
      maxPrice: { inputMicroUsdPerMillion: 2_000_000, outputMicroUsdPerMillion: 3_000_000 },
    };
    expect(await ask({ job: newJobId(), ...aboveLimit })).toMatchObject({
      ok: false,
      code: 'price_above_limit',
    });
    expect(
      await ask({
        job: newJobId(),
        ...aboveLimit,
        maxPrice: { inputMicroUsdPerMillion: 1_999_999 },
      }),
    ).toMatchObject({ ok: false, code: 'price_above_limit' });
    const job = newJobId();
    expect(await ask({ job, ...aboveLimit, provider: PROVIDER })).toMatchObject({
      ok: true,
      heldMicroUsd: 200,
    });
    expect(
      await settlement.bus.call(
        topUp,
        { job, provider: OTHER_PROVIDER, maxPrice: aboveLimit.maxPrice },
        { timeoutMs },
      ),
    ).toMatchObject({
      ok: false,
      code: 'price_above_limit',
    });
    tell(served(job, account, PROVIDER));
    await shows(account, 900, 0);
    await agree(account, { service: true });
    const another = newJobId();
    expect(await ask({ job: another, ...aboveLimit })).toMatchObject({
      ok: true,
      heldMicroUsd: 200,
    });
    tell(served(another, account, OTHER_PROVIDER));
    await shows(account, 830, 0);
  });

  test('is the catalog’s for a service, which has no minimum either', async () => {
    const account = await fundedAccount(1_000);
    await agree(account, { service: true });
    const job = newJobId();
    expect(await ask({ job, account, provider: OTHER_PROVIDER })).toMatchObject({
      ok: true,
      heldMicroUsd: 200,
    });
    tell(served(job, account, OTHER_PROVIDER));
    await shows(account, 930, 0);
  });

  test('has a minimum for every other account', async () => {
    const account = await fundedAccount(1_000);
    const job = newJobId();
    await ask({ job, account });
    tell(served(job, account, PROVIDER));
    await shows(account, 900, 0);
  });

  test('of cached tokens is half the input price by default, and never above the input price', async () => {
    const account = await fundedAccount(1_000);
    const job = newJobId();
    await ask({ job, account, provider: OTHER_PROVIDER, maxPrice });
    tell(
      ended(job, account, {
        provider: OTHER_PROVIDER,
        usage: { promptTokens: 30, cachedTokens: 30, completionTokens: 20 },
      }),
    );
    await shows(account, 890, 0);
    const cacheAboveInput = { ...DOUBLE_PRICE, cacheReadMicroUsdPerMillion: 2_000_001 };
    expect(
      await settlement.bus.call(setProviderPrice, cacheAboveInput, { timeoutMs }),
    ).toMatchObject({
      ok: false,
      code: 'cache_read_above_input',
    });
  });

  test('of cached tokens is at most the listed one if the machine’s prompt price is at most the listed one', async () => {
    const account = await fundedAccount(1_000);
    const provider = `A${'U'.repeat(55)}`;
    const price = {
      inputMicroUsdPerMillion: 1_000_000,
      cacheReadMicroUsdPerMillion: 1_000_000,
      outputMicroUsdPerMillion: 2_000_000,
    };
    await settlement.bus.call(
      setProviderPrice,
      { provider, model: MODEL.id, ...price },
      { timeoutMs },
    );
    const job = newJobId();
    expect(await ask({ job, account, provider })).toMatchObject({ ok: true });
    tell(
      ended(job, account, {
        provider,
        deliveredTokens: 50,
        usage: { promptTokens: 100, cachedTokens: 100, completionTokens: 50 },
      }),
    );
    await shows(account, 850, 0);
  });

  test('that changes applies to later jobs; a job is charged at the price of its hold', async () => {
    const account = await fundedAccount(2_000);
    const provider = `A${'S'.repeat(55)}`;
    const set = (input: number) =>
      settlement.bus.call(
        setProviderPrice,
        { ...DOUBLE_PRICE, provider, inputMicroUsdPerMillion: input },
        { timeoutMs },
      );
    await set(2_000_000);
    const [before, after] = [newJobId(), newJobId()];
    expect(await ask({ job: before, account, provider, maxPrice })).toMatchObject({
      heldMicroUsd: 400,
    });
    await set(4_000_000);
    // There is no wait here: the next hold has the new price.
    expect(await ask({ account, provider, maxPrice })).toMatchObject({ heldMicroUsd: 600 });
    await ask({ job: after, account, provider, maxPrice });
    for (const job of [before, after]) tell(served(job, account, provider));
    await vi.waitFor(async () => {
      const { rows } = await settlement.database.query(
        'SELECT c.charged::int, p.input_per_million::int AS input FROM charges c JOIN price_versions p ON p.id = c.price_version WHERE job = ANY($1) ORDER BY charged',
        [[before, after]],
      );
      expect(rows).toEqual([
        { charged: 140, input: 2_000_000 },
        { charged: 200, input: 4_000_000 },
      ]);
    });
  });
});

describe('a machine whose price is above the catalog’s', () => {
  test('does not serve a caller without a price limit, neither as the first nor as the next provider', async () => {
    const account = await fundedAccount(1_000);
    const job = newJobId();
    expect(await ask({ account, provider: OTHER_PROVIDER })).toMatchObject({
      ok: false,
      code: 'price_above_limit',
    });
    expect(await ask({ job, account })).toMatchObject({ ok: true, heldMicroUsd: 200 });
    expect(
      await settlement.bus.call(topUp, { job, provider: OTHER_PROVIDER }, { timeoutMs }),
    ).toMatchObject({ ok: false, code: 'price_above_limit' });
    tell(served(job, account, PROVIDER));
    await shows(account, 900, 0);
  });

  test('has prices for a bounded number of models', async () => {
    const provider = `A${'T'.repeat(55)}`;
    const set = (model: string) =>
      settlement.bus.call(setProviderPrice, { ...DOUBLE_PRICE, provider, model }, { timeoutMs });
    for (let model = 0; model < 64; model += 1)
      expect(await set(`model-${model}`)).toMatchObject({ ok: true });
    expect(await set('one-more')).toMatchObject({ ok: false, code: 'too_many_models' });
    expect(await set('model-0')).toMatchObject({ ok: true });
  });
});

describe('a higher price', () => {
  test('is announced and takes effect after the notice; a lower one takes effect at once', async () => {
    await using noticed = await startSettlementUnderTest({ priceNoticeMs: 3_600_000 });
    const call = { timeoutMs };
    const set = (input: number) =>
      noticed.bus.call(
        setProviderPrice,
        { ...DOUBLE_PRICE, inputMicroUsdPerMillion: input, outputMicroUsdPerMillion: 2_000_000 },
        call,
      );
    const prices = async () =>
      (await noticed.bus.call(services.settlement.providerPrices, { model: MODEL.id }, call))
        .prices;
    const inForce = async () =>
      (await noticed.bus.call(services.settlement.allProviderPrices, { limit: 10 }, call)).prices;
    const now = Date.now();
    const lower = await set(500_000);
    const raised = await set(900_000);
    expect(lower.ok && lower.effectiveAt).toBeLessThan(now + 60_000);
    expect(raised.ok && raised.effectiveAt).toBeGreaterThan(now + 3_500_000);
    expect(await inForce()).toMatchObject([
      { provider: OTHER_PROVIDER, model: MODEL.id, inputMicroUsdPerMillion: 500_000 },
    ]);
    expect(await prices()).toMatchObject([
      { inputMicroUsdPerMillion: 500_000 },
      { inputMicroUsdPerMillion: 900_000, effectiveAt: expect.any(Number) },
    ]);
    expect(
      (await noticed.bus.call(services.settlement.announcedPrices, {}, call)).prices,
    ).toMatchObject([{ model: MODEL.id, inputMicroUsdPerMillion: 900_000 }]);
    // An announcement replaces the previous one, and a lower price replaces every announcement.
    await set(800_000);
    expect((await prices()).map((price) => price.inputMicroUsdPerMillion)).toEqual([
      500_000, 800_000,
    ]);
    await set(400_000);
    expect((await prices()).map((price) => price.inputMicroUsdPerMillion)).toEqual([400_000]);
  });
});

describe('a job that moves to a more expensive provider', () => {
  test('has its hold raised only once, even for repeated requests, and is charged at the new price', async () => {
    const account = await fundedAccount(1_000);
    const job = newJobId();
    await ask({ job, account });
    const answers = await Promise.all([1, 2, 3].map(() => top(job)));
    expect(answers).toMatchObject([1, 2, 3].map(() => ({ ok: true, heldMicroUsd: 400 })));
    await shows(account, 600, 400);
    tell(served(job, account, OTHER_PROVIDER));
    await shows(account, 860, 0);
  });

  test('is refused when the account lacks the difference, and keeps its hold', async () => {
    const account = await fundedAccount(399);
    const job = newJobId();
    await ask({ job, account });
    expect(await top(job)).toMatchObject({ ok: false, code: 'insufficient_funds' });
    await shows(account, 199, 200);
    expect(await top(newJobId())).toMatchObject({ ok: false, code: 'unknown_job' });
  });

  test('is charged at the price of its last top-up, even by a process that cached an older hold', async () => {
    const account = await fundedAccount(1_000);
    const job = newJobId();
    await ask({ job, account });
    // This process does not notice the top-up, as if another process had made it.
    await settlement.database.query(
      `SELECT ledger_top_up($1, $2, $3, (SELECT id FROM price_versions WHERE input_per_million = 2000000 AND model = '${MODEL.id}' LIMIT 1), 400)`,
      [job, OTHER_PROVIDER, `provider:${OTHER_PROVIDER}`],
    );
    tell(served(job, account, OTHER_PROVIDER));
    await shows(account, 860, 0);
  });
});

describe('the charge', () => {
  test('goes to the owner of the machine, who can spend and withdraw it', async () => {
    const account = await fundedAccount(1_000);
    const job = newJobId();
    const before = await balanceOf(OWNER);
    await ask({ job, account, provider: OWNED_PROVIDER });
    tell(served(job, account, OWNED_PROVIDER));
    await shows(OWNER, before.availableMicroUsd + 95, 0);
    expect((await balanceOf(OWNER)).maturing).toMatchObject([{ amountMicroUsd: 95 }]);
    await letEarningsMature();
    expect((await balanceOf(OWNER)).withdrawableMicroUsd).toBe(before.withdrawableMicroUsd + 95);
    const { sources, lifetimeMicroUsd } = await settlement.bus.call(
      earnings,
      { account: OWNER },
      { timeoutMs },
    );
    expect(sources).toMatchObject([{ source: OWNED_PROVIDER, amountMicroUsd: lifetimeMicroUsd }]);
  });

  test('is zero on the owner’s own machine', async () => {
    await settlement.bus.call(
      services.settlement.credit,
      { account: OWNER, amountMicroUsd: 1_000, operation: 'own' },
      { timeoutMs },
    );
    const before = await balanceOf(OWNER);
    const job = newJobId();
    await ask({ job, account: OWNER, provider: OWNED_PROVIDER });
    tell(served(job, OWNER, OWNED_PROVIDER));
    await vi.waitFor(async () => {
      const { rows } = await settlement.database.query(
        'SELECT charged::int, completion_tokens::int AS tokens, outcome FROM charges WHERE job = $1',
        [job],
      );
      expect(rows).toEqual([{ charged: 0, tokens: 20, outcome: 'settled' }]);
    });
    await shows(OWNER, before.availableMicroUsd, 0);
  });

  test('needs no hold on the owner’s own machine, and a hold when the job moves to another machine', async () => {
    await settlement.bus.call(
      services.settlement.credit,
      { account: OWNER, amountMicroUsd: 1_000, operation: 'own-top-up' },
      { timeoutMs },
    );
    const { heldMicroUsd } = await balanceOf(OWNER);
    const job = newJobId();
    expect(await ask({ job, account: OWNER, provider: OWNED_PROVIDER })).toMatchObject({
      ok: true,
      heldMicroUsd: 0,
    });
    const topped = await settlement.bus.call(
      services.settlement.topUp,
      { job, provider: PROVIDER },
      { timeoutMs },
    );
    expect(topped).toMatchObject({ ok: true, heldMicroUsd: expect.any(Number) });
    expect((await balanceOf(OWNER)).heldMicroUsd).toBeGreaterThan(heldMicroUsd);
    tell(served(job, OWNER, PROVIDER));
    await vi.waitFor(async () => expect((await balanceOf(OWNER)).heldMicroUsd).toBe(heldMicroUsd));
  });

  test('includes the agreed fee, of which a fifth goes to the referrer, who is never the account itself', async () => {
    const [account, referrer] = [await fundedAccount(1_000), newAccount()];
    expect(await agree(account, { referrer: account })).toMatchObject({
      ok: false,
      code: 'own_referrer',
    });
    await agree(account, { feeBps: 2_000, referrer });
    const job = newJobId();
    const fees = await ledgerBalance('platform:fees');
    await ask({ job, account });
    tell(served(job, account, PROVIDER));
    await shows(referrer, 4, 0);
    expect(await ledgerBalance('platform:fees')).toBe(fees + 16);
  });

  test('uses bought money first, and earned money that a hold released is earned money again', async () => {
    const owner = OWNER;
    await letEarningsMature();
    const { withdrawableMicroUsd: earned, availableMicroUsd: all } = await balanceOf(owner);
    const bought = all - earned;
    const jobs = [newJobId(), newJobId()] as const;
    // The two holds need the earned part of the balance too.
    const outputBound = Math.floor((all - 300) / 2);
    await ask({ job: jobs[0], account: owner, outputBound: 50 });
    await ask({ job: jobs[1], account: owner, outputBound });
    expect((await balanceOf(owner)).withdrawableMicroUsd).toBeLessThan(earned);
    tell(ended(jobs[1], owner, { result: 'failed', deliveredTokens: 0 }));
    tell(served(jobs[0], owner, PROVIDER));
    await shows(owner, all - 100, 0);
    expect((await balanceOf(owner)).withdrawableMicroUsd).toBe(
      Math.min(earned, earned + bought - 100),
    );
  });
});
