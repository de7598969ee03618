import { expect, test } from 'vitest';
import { exactMoney, money, parseMoney, pricePerMillion } from './money.ts';

test.each([
  [0, '$0.00', '$0.000000'],
  [1, '$0.000001', '$0.000001'],
  [42, '$0.000042', '$0.000042'],
  [4_217, '$0.0042', '$0.004217'],
  [9_999, '$0.0100', '$0.009999'],
  [10_000, '$0.01', '$0.010000'],
  [1_234_567, '$1.23', '$1.234567'],
  [1_999_999, '$2.00', '$1.999999'],
  [1_234_567_890_123, '$1,234,567.89', '$1,234,567.890123'],
  [-2_500_000, '−$2.50', '−$2.500000'],
])('%d millionths of a dollar are %s, exactly %s', (micro, short, exact) => {
  expect(money(micro)).toBe(short);
  expect(exactMoney(micro)).toBe(exact);
});

test('an amount above zero is never shown as zero', () => {
  for (let micro = 1; micro < 20_000; micro += 7) expect(money(micro)).toMatch(/[1-9]/);
});

test.each([
  [20_000, '$0.02'],
  [125_000, '$0.125'],
  [3_000_000, '$3.00'],
  [15_500, '$0.0155'],
])('a price of %d a million tokens is %s', (micro, text) => {
  expect(pricePerMillion(micro)).toBe(text);
});

test.each([
  ['12.50', 12_500_000],
  ['$1,000', 1_000_000_000],
  ['0.000001', 1],
  [' 5 ', 5_000_000],
])('%s is read as %d', (text, micro) => {
  expect(parseMoney(text)).toBe(micro);
});

test.each(['', '0', '-1', 'abc', '1.2345678', '1e9', '0.0'])('%s is no amount', (text) => {
  expect(parseMoney(text)).toBeUndefined();
});
