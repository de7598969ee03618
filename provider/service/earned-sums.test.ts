import { expect, test } from 'vitest';
import { earnedByModel, earnedInAll } from './earned-sums.ts';

const NOW = Date.parse('2026-11-03T12:00:00Z');
const row = (day: string, model: string, amount: number) => ({
  day,
  model,
  jobs: 1,
  prompt_tokens: 1,
  completion_tokens: 1,
  amount_micro_usd: amount,
});
const days = [
  row('2026-11-03', 'small', 1),
  row('2026-11-03', 'large', 2),
  row('2026-11-01', 'small', 4),
  row('2026-10-28', 'small', 8),
  row('2026-10-27', 'large', 16),
];

test('earnings are summed for today, the last seven days and the month, in days of UTC', () => {
  expect(earnedInAll(days, NOW)).toEqual({ today: 3, week: 15, month: 7 });
  expect(earnedInAll([], NOW)).toEqual({ today: 0, week: 0, month: 0 });
});

test('the model that earned most this month comes first', () => {
  expect(earnedByModel(days, NOW)).toEqual([
    { model: 'small', sums: { today: 1, week: 13, month: 5 } },
    { model: 'large', sums: { today: 2, week: 2, month: 2 } },
  ]);
});
