import { expect, test } from 'vitest';
import { comparableEarnings } from './comparable-earnings.ts';

const share = (
  provider: string,
  amount: number,
  { model = 'qwen', owner = `of ${provider}` } = {},
) => ({
  provider,
  amount,
  model,
  owner,
});
const M4 = 'Apple M4';

test('the median of three machines is shown for all, and for those with the same chip', () => {
  const shares = [share('a', 100), share('b', 1_234_567), share('c', 900), share('d', 5)];
  const chips = new Map([
    ['a', M4],
    ['b', M4],
    ['c', M4],
    ['d', 'Intel'],
  ]);
  expect(comparableEarnings(shares, chips)).toEqual([
    { model: 'qwen', machines: 4, medianMicroUsd: 100 },
    { model: 'qwen', chip: M4, machines: 3, medianMicroUsd: 900 },
  ]);
});

test('chips outside the table are one group, and a machine without a known chip is in none', () => {
  const shares = [share('a', 1), share('b', 2), share('c', 3), share('d', 9_999)];
  const chips = new Map([
    ['a', 'one'],
    ['b', 'other one'],
    ['c', 'third'],
  ]);
  expect(comparableEarnings(shares, chips)).toEqual([
    { model: 'qwen', machines: 4, medianMicroUsd: 2 },
    { model: 'qwen', chip: 'other', machines: 3, medianMicroUsd: 2 },
  ]);
});

test('fewer than three machines, or three of one owner, show nothing', () => {
  const chips = new Map([
    ['a', M4],
    ['b', M4],
    ['c', M4],
  ]);
  expect(comparableEarnings([share('a', 1), share('b', 2)], chips)).toEqual([]);
  const owner = 'one person';
  const own = [share('a', 1, { owner }), share('b', 2, { owner }), share('c', 3, { owner })];
  expect(comparableEarnings(own, chips)).toEqual([]);
});

test('a machine that changed its owner counts once, and models do not mix', () => {
  const shares = [
    share('a', 10),
    share('a', 20, { owner: 'the next owner' }),
    share('b', 40),
    share('c', 50, { model: 'gemma' }),
  ];
  expect(comparableEarnings(shares, new Map())).toEqual([]);
  expect(comparableEarnings([...shares, share('c', 5)], new Map())).toEqual([
    { model: 'qwen', machines: 3, medianMicroUsd: 30 },
  ]);
});

test('the median is rounded to two digits', () => {
  const shares = [share('a', 123_456), share('b', 123_457), share('c', 123_458)];
  expect(comparableEarnings(shares, new Map())[0]?.medianMicroUsd).toBe(120_000);
});
