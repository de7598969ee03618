import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RewardPolicy } from '#bus-schemas';
import { decideRewards, type RewardCandidate } from './rewards.ts';

const DAY = '2026-11-27';
const POLICY: RewardPolicy = {
  amountMicroUsd: 500_000,
  dayBudgetMicroUsd: 50_000_000,
  ownerMachines: 3,
  readyMinutes: 480,
  level: 'hardware',
  requests: 10,
  ageDays: 7,
};
const machine = (index: number): string => `A${String(index).padStart(55, 'B')}`;
const candidate = (index: number, changes: Partial<RewardCandidate> = {}): RewardCandidate => ({
  provider: machine(index),
  account: `acct_${index}`,
  readyMinutes: 600,
  servingMinutes: 60,
  signedMinutes: 600,
  hardwareMinutes: 600,
  requests: 20,
  modelRequests: 20,
  memoryMb: 64_000,
  ageDays: 30,
  isExcluded: false,
  sharesComputer: false,
  ...changes,
});
const decide = (
  candidates: readonly RewardCandidate[],
  changes: Partial<RewardPolicy> = {},
  fundMicroUsd = 1e9,
) => decideRewards({ day: DAY, policy: { ...POLICY, ...changes }, candidates, fundMicroUsd });
const reasonsOf = (changes: Partial<RewardCandidate>, policy: Partial<RewardPolicy> = {}) =>
  decide([candidate(1, changes)], policy)[0]?.reasons;

describe('a machine that meets the conditions', () => {
  test('gets the whole amount', () => {
    expect(decide([candidate(1)])).toMatchObject([{ amount: 500_000, reasons: [] }]);
  });
});

describe('a machine gets nothing, with the reason,', () => {
  test.each([
    [{ readyMinutes: 180 }, [{ reason: 'hours', has: 180, needs: 480 }]],
    [{ hardwareMinutes: 479 }, [{ reason: 'hardware_trust', has: 479, needs: 480 }]],
    [{ requests: 9 }, [{ reason: 'requests', has: 9, needs: 10 }]],
    [{ ageDays: 6 }, [{ reason: 'age', has: 6, needs: 7 }]],
    [{ sharesComputer: true }, [{ reason: 'same_computer' }]],
    [{ isExcluded: true }, [{ reason: 'excluded' }]],
    [{ account: undefined }, [{ reason: 'no_owner' }]],
  ] satisfies [Partial<RewardCandidate>, unknown][])('if it has %j', (changes, reasons) => {
    expect(reasonsOf(changes)).toEqual(reasons);
  });

  test('and reads every reason at once', () => {
    expect(reasonsOf({ readyMinutes: 0, hardwareMinutes: 0, requests: 0, ageDays: 0 })).toEqual([
      { reason: 'hours', has: 0, needs: 480 },
      { reason: 'age', has: 0, needs: 7 },
      { reason: 'requests', has: 0, needs: 10 },
    ]);
  });

  test('if the policy demands memory or models that it did not have', () => {
    expect(reasonsOf({ memoryMb: undefined }, { memoryMb: 48_000 })).toEqual([
      { reason: 'memory', has: 0, needs: 48_000 },
    ]);
    expect(reasonsOf({ modelRequests: 2 }, { models: ['qwen'] })).toEqual([
      { reason: 'model_requests', has: 2, needs: 10 },
    ]);
    // Without such a condition the models of the requests do not matter.
    expect(reasonsOf({ modelRequests: 2 })).toEqual([]);
  });

  test('if a weaker level is enough, only the proof of that level counts', () => {
    const weak = { hardwareMinutes: 0 };
    expect(reasonsOf(weak, { level: 'self_signed' })).toEqual([]);
    expect(reasonsOf({ ...weak, signedMinutes: 10 }, { level: 'self_signed' })).toEqual([
      { reason: 'signed_trust', has: 10, needs: 480 },
    ]);
    expect(reasonsOf({ ...weak, signedMinutes: 0 }, { level: 'none' })).toEqual([]);
  });
});

describe('an attacker', () => {
  test('who links a hundred machines under one account is paid for three', () => {
    const farm = Array.from({ length: 100 }, (_, index) => candidate(index, { account: 'acct_x' }));
    const decided = decide(farm);
    expect(decided.filter(({ amount }) => amount > 0)).toHaveLength(3);
    expect(decided.at(-1)?.reasons).toEqual([{ reason: 'owner_limit', needs: 3 }]);
  });

  test('who links a hundred machines under a hundred accounts gets nothing for machines that serve nobody', () => {
    const farm = Array.from({ length: 100 }, (_, index) =>
      candidate(index, { servingMinutes: 0, requests: 0, modelRequests: 0 }),
    );
    expect(decide(farm).every(({ amount }) => amount === 0)).toBe(true);
  });

  test('does not take the budget away from machines that serve longer', () => {
    const farm = Array.from({ length: 100 }, (_, index) => candidate(index, { servingMinutes: 1 }));
    const decided = decide([...farm, candidate(1_000)], { dayBudgetMicroUsd: 500_000 });
    expect(decided[0]).toMatchObject({ candidate: { provider: machine(1_000) }, amount: 500_000 });
    expect(decided[1]?.reasons).toEqual([{ reason: 'budget' }]);
  });

  test('cannot choose a key that comes first on every day', () => {
    const two = [candidate(1), candidate(2)];
    const firsts = Array.from({ length: 40 }, (_, index) => {
      const day = new Date(Date.parse(DAY) + index * 86_400_000).toISOString().slice(0, 10);
      return decideRewards({ day, policy: POLICY, candidates: two, fundMicroUsd: 1e9 })[0]
        ?.candidate.provider;
    });
    expect(new Set(firsts).size).toBe(2);
  });
});

test('an empty fund is another reason than a spent budget', () => {
  expect(decide([candidate(1)], {}, 499_999)[0]?.reasons).toEqual([{ reason: 'fund' }]);
});

const anyCandidates = fc.uniqueArray(
  fc.record({
    index: fc.nat({ max: 60 }),
    owner: fc.option(fc.nat({ max: 6 }), { nil: undefined }),
    ready: fc.nat({ max: 1_440 }),
    serving: fc.nat({ max: 4 }),
    requests: fc.nat({ max: 30 }),
    isExcluded: fc.boolean(),
  }),
  { selector: ({ index }) => index, maxLength: 40 },
);
const anyPolicy = fc.record({
  amountMicroUsd: fc.integer({ min: 1, max: 1_000_000 }),
  dayBudgetMicroUsd: fc.integer({ min: 1, max: 5_000_000 }),
  ownerMachines: fc.integer({ min: 1, max: 4 }),
  readyMinutes: fc.nat({ max: 1_000 }),
  requests: fc.nat({ max: 15 }),
});

test('no decision exceeds budget, fund or owner’s limit, and the order of the machines does not matter', () => {
  fc.assert(
    fc.property(anyCandidates, anyPolicy, fc.nat({ max: 5_000_000 }), (given, policy, fund) => {
      const candidates = given.map(({ index, owner, ready, serving, requests, isExcluded }) =>
        candidate(index, {
          account: owner === undefined ? undefined : `acct_${owner}`,
          readyMinutes: ready,
          signedMinutes: ready,
          hardwareMinutes: ready,
          servingMinutes: serving,
          requests,
          isExcluded,
        }),
      );
      const decided = decide(candidates, policy, fund);
      const sum = decided.reduce((total, { amount }) => total + amount, 0);
      expect(sum).toBeLessThanOrEqual(Math.min(policy.dayBudgetMicroUsd, fund));
      const paid = decided.filter(({ amount }) => amount > 0);
      for (const { amount } of paid) expect(amount).toBe(policy.amountMicroUsd);
      for (const own of Map.groupBy(paid, (reward) => reward.candidate.account).values())
        expect(own.length).toBeLessThanOrEqual(policy.ownerMachines);
      for (const { amount, reasons } of decided) expect(amount > 0).toBe(reasons.length === 0);
      expect(decided).toHaveLength(candidates.length);
      expect(decide(candidates.toReversed(), policy, fund)).toEqual(decided);
    }),
  );
});
