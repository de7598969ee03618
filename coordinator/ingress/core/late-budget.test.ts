import { expect, test } from 'vitest';
import { LateBudget } from './late-budget.ts';

test('three may always be cut, and one in twenty of many', () => {
  const budget = new LateBudget();
  const cutAll = (now: number) => {
    let cuts = 0;
    for (; budget.mayCut(now); cuts += 1) budget.cut(now);
    return cuts;
  };
  expect(cutAll(0)).toBe(3);
  for (let begun = 0; begun < 1_000; begun += 1) budget.begun(1);
  expect(cutAll(2)).toBe(47);
  expect(cutAll(29_000)).toBe(0);
});

test('what was long ago does not count', () => {
  const budget = new LateBudget();
  for (let cut = 0; cut < 3; cut += 1) budget.cut(0);
  expect(budget.mayCut(45_000)).toBe(false);
  expect(budget.mayCut(61_000)).toBe(true);
});
