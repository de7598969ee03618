import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { TokenPromotion } from '#bus-schemas';
import { decidePromotion } from './promotions.ts';

const PROMOTION: TokenPromotion = {
  promotion: 'spring',
  models: ['qwen'],
  microUsdPerMillion: 1_500_000,
  startsOn: '2026-11-01',
  endsOn: '2026-11-30',
  capMicroUsd: 1_000_000,
  ownerDayMicroUsd: 1_000_000,
  customerDayMicroUsd: 1_000_000,
};
const small = fc.integer({ min: 1, max: 3_000 });

test('no limit is exceeded, zero has a reason, and splitting answers over customers never pays more', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          owner: fc.option(fc.nat({ max: 2 }), { nil: undefined }),
          isExcluded: fc.boolean(),
          answers: fc.uniqueArray(
            fc.record({ customer: fc.nat({ max: 3 }), tokens: fc.nat({ max: 2_000 }) }),
            {
              selector: ({ customer }) => customer,
              maxLength: 4,
            },
          ),
        }),
        { maxLength: 12 },
      ),
      fc.record({
        cap: small,
        owner: small,
        customer: small,
        spent: fc.nat({ max: 4_000 }),
        fund: small,
      }),
      (given, limits) => {
        const machines = given.map(({ owner, isExcluded, answers }, index) => ({
          provider: `A${String(index).padStart(55, 'B')}`,
          account: owner === undefined ? undefined : `acct_${owner}`,
          isExcluded,
          answers: answers.map(({ customer, tokens }) => ({
            customer: `acct_c${customer}`,
            requests: 1,
            tokens,
          })),
        }));
        const promotion = {
          ...PROMOTION,
          capMicroUsd: limits.cap,
          ownerDayMicroUsd: limits.owner,
          customerDayMicroUsd: limits.customer,
        };
        const decide = (all: typeof machines) =>
          decidePromotion({
            day: '2026-11-02',
            promotion,
            machines: all,
            spentMicroUsd: limits.spent,
            fundMicroUsd: limits.fund,
          });
        const decided = decide(machines);
        const sum = decided.reduce((total, { amount }) => total + amount, 0);
        expect(sum).toBeLessThanOrEqual(
          Math.max(0, Math.min(limits.cap - limits.spent, limits.fund)),
        );
        for (const own of Map.groupBy(decided, ({ machine }) => machine.account).values())
          expect(own.reduce((total, { amount }) => total + amount, 0)).toBeLessThanOrEqual(
            limits.owner,
          );
        const customers = new Set(
          machines.flatMap(({ answers }) => answers.map(({ customer }) => customer)),
        );
        expect(sum).toBeLessThanOrEqual(customers.size * limits.customer);
        for (const { amount, tokens, reasons, machine } of decided) {
          expect(amount).toBeGreaterThanOrEqual(0);
          expect(amount).toBeLessThanOrEqual((tokens * promotion.microUsdPerMillion) / 1e6);
          if (amount === 0) expect(reasons.length).toBeGreaterThan(0);
          if (machine.account === undefined || machine.isExcluded) expect(amount).toBe(0);
        }
        expect(decide(machines.toReversed())).toEqual(decided);
      },
    ),
  );
});
