import { expect, test } from 'vitest';
import { historyDays, servedShare } from './history.ts';

const NOW = Date.UTC(2026, 10, 28, 0, 30);

test('the history has thirty days of UTC until today, also those without a check', () => {
  const days = historyDays(
    [
      { day: '2026-10-30', checks: 10, served: 10 },
      { day: '2026-11-27', checks: 100, served: 95 },
      { day: '2026-11-28', checks: 100, served: 94 },
    ],
    NOW,
  );
  expect(days).toHaveLength(30);
  expect(days[0]).toEqual({ day: '2026-10-30', checks: 10, served: 10, grade: 'full' });
  expect(days[1]).toEqual({ day: '2026-10-31', checks: 0, served: 0, grade: 'none' });
  expect(days.slice(-2).map(({ day, grade }) => [day, grade])).toEqual([
    ['2026-11-27', 'most'],
    ['2026-11-28', 'less'],
  ]);
});

test('the share is rounded down, so that 100 means that no check failed', () => {
  const share = (checks: number, served: number) =>
    servedShare([{ day: '2026-11-28', checks, served }]);
  expect(share(43_200, 43_199)).toBe('99.99');
  expect(share(10, 10)).toBe('100');
  expect(share(3, 0)).toBe('0');
  expect(share(1_000, 905)).toBe('90.5');
  expect(servedShare([])).toBe(undefined);
});
