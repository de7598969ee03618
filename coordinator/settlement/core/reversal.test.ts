import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { payDebt, type Reversal, reverseTo } from './reversal.ts';

const NEW: Reversal = { reversed: 0, reversedEarned: 0, owed: 0 };

describe('a payment that Stripe takes back', () => {
  test('is taken from bought money first, then from earnings, and the rest is a debt', () => {
    expect(reverseTo(10, NEW, { free: 7, bought: 4 })).toEqual({
      next: { reversed: 10, reversedEarned: 3, owed: 3 },
      account: -7,
      earned: -3,
      stripe: 10,
      debts: -3,
    });
  });

  test('changes nothing when it is reported again', () => {
    const reversal = { reversed: 10, reversedEarned: 3, owed: 3 };
    expect(reverseTo(10, reversal, { free: 100, bought: 100 })).toBeUndefined();
  });

  test('forgives the debt when it is given back, and returns the parts that were taken', () => {
    const reversal = { reversed: 10, reversedEarned: 3, owed: 3 };
    expect(reverseTo(0, reversal, { free: 0, bought: 0 })).toEqual({
      next: { reversed: 0, reversedEarned: 0, owed: 0 },
      account: 7,
      earned: 3,
      stripe: -10,
      debts: 3,
    });
  });

  test('is paid from later money until nothing is owed', () => {
    const reversal = { reversed: 10, reversedEarned: 0, owed: 10 };
    const first = payDebt(reversal, { free: 4, bought: 4 });
    expect(first).toMatchObject({ next: { owed: 6 }, account: -4, earned: 0, debts: 4 });
    const rest = payDebt(first?.next ?? NEW, { free: 50, bought: 0 });
    expect(rest).toMatchObject({ next: { owed: 0, reversedEarned: 6 }, account: -6, earned: -6 });
    expect(payDebt(rest?.next ?? NEW, { free: 50, bought: 0 })).toBeUndefined();
  });

  test('never moves money that does not balance or that the account does not have', () => {
    const amount = fc.nat({ max: 100 });
    const aStep = fc.record({
      takenBack: amount,
      free: amount,
      bought: amount,
      pays: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(aStep, { maxLength: 12 }), (steps) => {
        let reversal = NEW;
        let [account, stripe, debts] = [0, 0, 0];
        for (const { takenBack, free, bought, pays } of steps) {
          const step = pays
            ? payDebt(reversal, { free, bought })
            : reverseTo(takenBack, reversal, { free, bought });
          if (step === undefined) continue;
          expect(step.account + step.stripe + step.debts).toBe(0);
          expect(-step.account).toBeLessThanOrEqual(free);
          reversal = step.next;
          account += step.account;
          stripe += step.stripe;
          debts += step.debts;
        }
        const { reversed, reversedEarned, owed } = reversal;
        expect([stripe, 0 - debts, 0 - account]).toEqual([reversed, owed, reversed - owed]);
        expect(
          Math.min(reversedEarned, owed, reversed - owed - reversedEarned),
        ).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});
