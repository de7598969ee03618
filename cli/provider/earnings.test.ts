import { expect, test } from 'vitest';
import { earningsScreen } from './earnings.ts';

const NOW = Date.parse('2026-11-27T12:00:00Z');
const earned = { model: 'sim', prompt_tokens: 30, completion_tokens: 20, amount_micro_usd: 67 };
const earnings = {
  days: [{ day: '2026-11-27', jobs: 1, ...earned }],
  jobs: [{ job_id: 'job_1', at: '2026-11-27T11:00:00.000Z', ...earned }],
};

test('earnings begin with the sums, and offer to spend before they offer to withdraw', () => {
  const lines = earningsScreen(earnings, 'model', NOW).split('\n');
  expect(lines.slice(0, 4)).toEqual([
    'This machine earned $0.000067 today, $0.000067 in 7 days and $0.000067 this month.',
    '',
    'model       today      7 days   this month',
    'sim     $0.000067   $0.000067    $0.000067',
  ]);
  const offers = lines.slice(5).join('\n');
  expect(offers).toMatch(/^Spend it: .* POST \/v1\/keys .*\nWithdraw it: /s);
});

test('earnings are shown by day and by job', () => {
  expect(earningsScreen(earnings, 'day', NOW)).toContain(
    '2026-11-27  sim      1            30               20   $0.000067',
  );
  expect(earningsScreen(earnings, 'job', NOW)).toMatch(
    /job_1 +2026-11-27T11:00:00\.000Z +sim +30 +20 +\$0\.000067/,
  );
});

test('a machine without a paid answer names the command that gives the reason', () => {
  expect(earningsScreen({ days: [], jobs: [] }, 'day', NOW)).toContain(
    'It has no paid answer in the last 31 days. "dinf provider status" gives the reason.',
  );
});
