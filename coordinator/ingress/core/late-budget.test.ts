import { expect, test } from 'vitest';
import { LateBudget } from './late-budget.ts';

const begin = (budget: LateBudget, provider: string, count: number) => {
  for (let begun = 0; begun < count; begun += 1) budget.begun(provider, 1);
};
const cutAll = (budget: LateBudget, provider: string, now: number, most = 1_000) => {
  let cuts = 0;
  for (; cuts < most && budget.mayCut(provider, now); cuts += 1) budget.cut(provider, now);
  return cuts;
};

test('ten attempts may always be abandoned, and one in twenty of many', () => {
  const budget = new LateBudget();
  expect(cutAll(budget, 'A', 0)).toBe(10);
  begin(budget, 'A', 1_000);
  expect(cutAll(budget, 'A', 2)).toBe(40);
  expect(cutAll(budget, 'A', 29_000)).toBe(0);
});

test('attempts of earlier windows do not count', () => {
  const budget = new LateBudget();
  for (let cut = 0; cut < 10; cut += 1) budget.cut('A', 0);
  expect(budget.mayCut('A', 45_000)).toBe(false);
  expect(budget.mayCut('A', 61_000)).toBe(true);
});

test('the attempts of a machine that is late while the others are in time may all be abandoned', () => {
  const budget = new LateBudget();
  begin(budget, 'B', 9);
  expect(cutAll(budget, 'A', 2)).toBe(10);
  begin(budget, 'C', 1);
  expect(cutAll(budget, 'A', 2, 50)).toBe(50);
});

test('the attempts of several late machines are not all abandoned', () => {
  const budget = new LateBudget();
  const late = Array.from({ length: 8 }, (_, machine) => `machine ${machine}`);
  for (const provider of late) begin(budget, provider, 20);
  const cuts = [0, 1, 2, 3, 4].flatMap(() =>
    late.map((provider) => cutAll(budget, provider, 2, 1)),
  );
  expect(cuts.reduce((sum, cut) => sum + cut, 0)).toBeLessThanOrEqual(16);
});
