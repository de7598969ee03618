import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { JOB_RESULTS } from '#bus-schemas';
import { chargeFor, costOf, type Price } from './charge.ts';

const price: Price = { inputPerMillion: 150_000, outputPerMillion: 600_000 };
const amount = (max: number) => fc.integer({ min: 0, max });
const prices = fc.record({ inputPerMillion: amount(1e9), outputPerMillion: amount(1e9) });

describe('a cost', () => {
  test('is rounded up to the next micro-dollar', () => {
    expect(costOf(price, { prompt: 1, completion: 0 })).toBe(1);
    expect(costOf(price, { prompt: 20, completion: 0 })).toBe(3);
    expect(costOf(price, { prompt: 21, completion: 5 })).toBe(7);
    expect(costOf(price, { prompt: 0, completion: 0 })).toBe(0);
  });

  test('stays exact where tokens times price passes 2^53', () => {
    expect(costOf({ inputPerMillion: 1_000_000_007, outputPerMillion: 1 }, { prompt: 10_000_001, completion: 0 })).toBe(10_000_001_071);
  });

  test('past all money there is stays a number that the ledger can read', () => {
    const most = Number.MAX_SAFE_INTEGER;
    expect(costOf({ inputPerMillion: most, outputPerMillion: most }, { prompt: most, completion: most })).toBe(most);
  });
});

describe('a charge', () => {
  const job = { held: 1_000, price: { inputPerMillion: 1_000_000, outputPerMillion: 2_000_000 }, promptBound: 100 };

  test('is the lesser of what the provider says and what arrived', () => {
    const usage = { promptTokens: 40, completionTokens: 30 };
    expect(chargeFor(job, { result: 'completed', deliveredTokens: 30, usage }, 500).charged).toBe(100);
    expect(chargeFor(job, { result: 'client_gone', deliveredTokens: 10, usage }, 500).charged).toBe(60);
    expect(chargeFor(job, { result: 'completed', deliveredTokens: 99, usage: { promptTokens: 4_000, completionTokens: 30 } }, 500).charged).toBe(160);
  });

  test('takes a quarter of the prompt bound when nobody reported', () => {
    expect(chargeFor(job, { result: 'cut_short', deliveredTokens: 10 }, 500)).toMatchObject({ promptTokens: 25, completionTokens: 10, charged: 45 });
  });

  test('is nothing when the job failed or nothing was delivered', () => {
    const usage = { promptTokens: 40, completionTokens: 30 };
    expect(chargeFor(job, { result: 'failed', deliveredTokens: 30, usage }, 500).charged).toBe(0);
    expect(chargeFor(job, { result: 'completed', deliveredTokens: 0, usage }, 500).charged).toBe(0);
  });

  test('gives the odd micro-dollar to the provider', () => {
    const { charged, fee, providerShare } = chargeFor({ ...job, promptBound: 0 }, { result: 'completed', deliveredTokens: 10 }, 725);
    expect([charged, fee, providerShare]).toEqual([20, 1, 19]);
  });

  test('never passes the hold, and its parts always sum to it', () => {
    const end = fc.record({
      result: fc.constantFrom(...JOB_RESULTS),
      deliveredTokens: amount(1e7),
      usage: fc.option(fc.record({ promptTokens: amount(1e7), completionTokens: amount(1e7) }), { nil: undefined }),
    });
    fc.assert(
      fc.property(prices, amount(Number.MAX_SAFE_INTEGER), amount(1e7), end, amount(10_000), (each, held, promptBound, told, feeBps) => {
        const charge = chargeFor({ held, price: each, promptBound }, told, feeBps);
        expect(charge.charged).toBeLessThanOrEqual(held);
        expect(charge.providerShare + charge.fee).toBe(charge.charged);
        expect(Math.min(charge.fee, charge.providerShare)).toBeGreaterThanOrEqual(0);
        expect(charge.promptTokens).toBeLessThanOrEqual(promptBound);
      }),
    );
  });
});
