import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { answerCost, chargeTerms } from './answer-cost.ts';

const terms = (held = 1_000_000, minimum = 0) => ({
  price: { inputPerMillion: 150_000, cacheReadPerMillion: 75_000, outputPerMillion: 600_000 },
  minimum,
  held,
});
const usage = { promptTokens: 100, cachedTokens: 60, completionTokens: 50 };

describe('the cost of an answer', () => {
  test('is the price of its tokens, with the part of the prompt', () => {
    // 40 × 0.15 + 60 × 0.075 = 10.5, rounded up to 11; with 50 × 0.6 = 30, 40.5 is rounded to 41.
    expect(answerCost(terms(), usage, 50)).toEqual({ totalMicroUsd: 41, promptMicroUsd: 11 });
  });

  test('is nothing if no token was delivered, whatever the machine reports', () => {
    expect(answerCost(terms(1_000_000, 100), usage, 0)).toEqual({
      totalMicroUsd: 0,
      promptMicroUsd: 0,
    });
  });

  test('is at least the minimum and at most the hold', () => {
    expect(answerCost(terms(1_000_000, 100), usage, 50).totalMicroUsd).toBe(100);
    expect(answerCost(terms(20), usage, 50)).toEqual({ totalMicroUsd: 20, promptMicroUsd: 11 });
  });

  test('has no part that is negative', () => {
    const amount = fc.nat({ max: 1_000_000 });
    fc.assert(
      fc.property(amount, amount, amount, amount, (prompt, completion, held, minimum) => {
        const used = { promptTokens: prompt, cachedTokens: 0, completionTokens: completion };
        const cost = answerCost(terms(held, minimum), used, completion);
        expect(cost.promptMicroUsd).toBeGreaterThanOrEqual(0);
        expect(cost.totalMicroUsd - cost.promptMicroUsd).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});

test('the cost is not known if settlement states no price with the hold', () => {
  expect(chargeTerms({ heldMicroUsd: 5 })).toBeUndefined();
});
