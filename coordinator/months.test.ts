import { expect, test } from 'vitest';
import { addMonths, isMonth, monthOf, monthsBetween, startOf } from './months.ts';

test('months are counted over the end of a year', () => {
  expect(addMonths('2025-12', 1)).toBe('2026-01');
  expect(addMonths('2026-01', -1)).toBe('2025-12');
  expect(addMonths('2026-11', -13)).toBe('2025-10');
  expect(monthsBetween('2025-11', '2026-02')).toEqual(['2025-11', '2025-12', '2026-01']);
  expect(monthsBetween('2026-02', '2026-02')).toEqual([]);
});

test('a month begins and ends in UTC', () => {
  expect(monthOf(Date.UTC(2026, 0, 1) - 1)).toBe('2025-12');
  expect(monthOf(startOf('2026-01').getTime())).toBe('2026-01');
});

test.each(['2026-13', '2026-00', '2026', '2026-1', '2026-01-01', ''])('"%s" is no month', (text) =>
  expect(isMonth(text)).toBe(false),
);
