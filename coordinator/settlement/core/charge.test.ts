import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { JOB_RESULTS } from '#bus-schemas';
import { costOf, holdFor, type Price } from '#coordinator/job-cost.ts';
import { type ChargeableJob, chargeFor, type Terms } from './charge.ts';

const price: Price = {
  inputPerMillion: 150_000,
  cacheReadPerMillion: 75_000,
  outputPerMillion: 600_000,
};
const amount = (max: number) => fc.integer({ min: 0, max });
const prices = fc
  .record({
    inputPerMillion: amount(1e9),
    cacheReadPerMillion: amount(1e9),
    outputPerMillion: amount(1e9),
  })
  .map((each) => ({
    ...each,
    cacheReadPerMillion: Math.min(each.cacheReadPerMillion, each.inputPerMillion),
  }));
const terms = (feeBps = 500, minimum = 0, referrer: string | null = null): Terms => ({
  feeBps,
  minimum,
  referrer,
});

describe('a cost', () => {
  test('is rounded up to the next micro-dollar', () => {
    expect(costOf(price, { prompt: 1, completion: 0 })).toBe(1);
    expect(costOf(price, { prompt: 20, completion: 0 })).toBe(3);
    expect(costOf(price, { prompt: 21, completion: 5 })).toBe(7);
    expect(costOf(price, { prompt: 0, completion: 0 })).toBe(0);
    // 60 of the 100 prompt tokens were in the cache: 40 × 0.15 + 60 × 0.075 = 10.5, rounded up.
    expect(costOf(price, { prompt: 100, cached: 60, completion: 0 })).toBe(11);
  });

  test('is exact when tokens times price exceeds 2^53', () => {
    expect(
      costOf(
        { inputPerMillion: 1_000_000_007, cacheReadPerMillion: 1, outputPerMillion: 1 },
        { prompt: 10_000_001, completion: 0 },
      ),
    ).toBe(10_000_001_071);
  });

  test('is capped at 2^53 - 1, so that the ledger can read it', () => {
    const most = Number.MAX_SAFE_INTEGER;
    expect(
      costOf(
        { inputPerMillion: most, cacheReadPerMillion: most, outputPerMillion: most },
        { prompt: most, completion: most },
      ),
    ).toBe(most);
  });
});

describe('a charge', () => {
  const job: ChargeableJob = {
    held: 1_000,
    promptBound: 100,
    terms: terms(),
    isOwnMachine: false,
    price: {
      inputPerMillion: 1_000_000,
      cacheReadPerMillion: 500_000,
      outputPerMillion: 2_000_000,
    },
  };

  test('counts at most the delivered tokens and the prompt bound', () => {
    const usage = { promptTokens: 40, cachedTokens: 0, completionTokens: 30 };
    expect(chargeFor(job, { result: 'completed', deliveredTokens: 30, usage }).charged).toBe(100);
    expect(chargeFor(job, { result: 'client_gone', deliveredTokens: 10, usage }).charged).toBe(60);
    expect(
      chargeFor(job, {
        result: 'completed',
        deliveredTokens: 99,
        usage: { promptTokens: 4_000, cachedTokens: 0, completionTokens: 30 },
      }).charged,
    ).toBe(160);
  });

  test('counts a quarter of the prompt bound when the provider reported no usage', () => {
    expect(chargeFor(job, { result: 'cut_short', deliveredTokens: 10 })).toMatchObject({
      promptTokens: 25,
      completionTokens: 10,
      charged: 45,
    });
  });

  test('is zero when the job failed or no token was delivered', () => {
    const usage = { promptTokens: 40, cachedTokens: 0, completionTokens: 30 };
    expect(chargeFor(job, { result: 'failed', deliveredTokens: 30, usage }).charged).toBe(0);
    expect(chargeFor(job, { result: 'completed', deliveredTokens: 0, usage }).charged).toBe(0);
  });

  test('rounds the fee down and gives the remainder to the provider', () => {
    const { charged, fee, providerShare } = chargeFor(
      { ...job, promptBound: 0, terms: terms(725) },
      { result: 'completed', deliveredTokens: 10 },
    );
    expect([charged, fee, providerShare]).toEqual([20, 1, 19]);
  });

  test('is at least the minimum, unless the model is free; the hold covers the minimum', () => {
    const end = {
      result: 'completed',
      deliveredTokens: 1,
      usage: { promptTokens: 1, cachedTokens: 0, completionTokens: 1 },
    } as const;
    expect(chargeFor({ ...job, terms: terms(500, 100) }, end).charged).toBe(100);
    expect(holdFor(job.price, { prompt: 1, completion: 1 }, 100)).toBe(100);
    const free = { inputPerMillion: 0, cacheReadPerMillion: 0, outputPerMillion: 0 };
    expect(chargeFor({ ...job, price: free, terms: terms(500, 100) }, end).charged).toBe(0);
    expect(holdFor(free, { prompt: 9, completion: 9 }, 100)).toBe(0);
  });

  test('gives a fifth of the fee, rounded down, to the referrer and the rest to the platform', () => {
    const agreed = terms(500, 0, 'consumer:acct_r');
    const { charged, providerShare, fee, referral } = chargeFor(
      { ...job, terms: agreed },
      { result: 'completed', deliveredTokens: 99 },
    );
    expect([charged, providerShare, fee, referral]).toEqual([223, 212, 9, 2]);
  });

  test('is zero on the account’s own machine, although the tokens are counted', () => {
    expect(
      chargeFor(
        { ...job, isOwnMachine: true, terms: terms(500, 100) },
        { result: 'completed', deliveredTokens: 9 },
      ),
    ).toMatchObject({
      charged: 0,
      completionTokens: 9,
    });
  });

  test('never exceeds the hold, and its parts always add up to the charge', () => {
    const end = fc.record({
      result: fc.constantFrom(...JOB_RESULTS),
      deliveredTokens: amount(1e7),
      usage: fc.option(
        fc.record({
          promptTokens: amount(1e7),
          cachedTokens: amount(1e7),
          completionTokens: amount(1e7),
        }),
        { nil: undefined },
      ),
    });
    fc.assert(
      fc.property(
        prices,
        amount(Number.MAX_SAFE_INTEGER),
        amount(1e7),
        end,
        fc.tuple(amount(10_000), amount(200), fc.constantFrom(null, 'consumer:acct_r')),
        (each, held, promptBound, jobEnd, agreed) => {
          const charge = chargeFor(
            { held, price: each, promptBound, terms: terms(...agreed), isOwnMachine: false },
            jobEnd,
          );
          expect(charge.charged).toBeLessThanOrEqual(held);
          expect(charge.providerShare + charge.fee + charge.referral).toBe(charge.charged);
          expect(
            Math.min(charge.fee, charge.providerShare, charge.referral),
          ).toBeGreaterThanOrEqual(0);
          expect(charge.promptTokens).toBeLessThanOrEqual(promptBound);
        },
      ),
    );
  });
});
