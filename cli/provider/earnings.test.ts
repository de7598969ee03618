import { expect, test } from 'vitest';
import { earningsScreen } from './earnings.ts';

const NOW = Date.parse('2026-11-27T12:00:00Z');
const earned = { model: 'sim', prompt_tokens: 30, completion_tokens: 20, amount_micro_usd: 67 };
const earnings = {
  days: [{ day: '2026-11-27', jobs: 1, ...earned }],
  jobs: [{ job_id: 'job_1', at: '2026-11-27T11:00:00.000Z', ...earned }],
  rewards: [],
};
const reward = { promotion: null, amount_micro_usd: 500_000, is_paid: true, because: null };

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
  expect(earningsScreen({ days: [], jobs: [], rewards: [] }, 'day', NOW)).toContain(
    'It has no paid answer in the last 31 days. "dinf provider status" gives the reason.',
  );
});

test('rewards have a sum of their own, and a row for each day with the reason for less', () => {
  const rewards = [
    { day: '2026-11-26', ...reward },
    { day: '2026-11-26', ...reward, promotion: 'spring', is_paid: false },
    { day: '2026-11-25', ...reward, amount_micro_usd: 0, is_paid: false, because: 'Not ready.' },
  ];
  const rewarded = { ...earnings, rewards };
  expect(earningsScreen(rewarded, 'model', NOW).split('\n')[1]).toBe(
    'Rewards beside its answers: $0.000000 today, $1.000000 in 7 days and $1.000000 this month.',
  );
  expect(earningsScreen(rewarded, 'reward', NOW).split('\n').slice(3, 7)).toEqual([
    'day and reward               amount          state',
    '2026-11-26  base reward   $0.500000           paid',
    '2026-11-26  spring        $0.500000   is paid soon',
    '2026-11-25  base reward   $0.000000     Not ready.',
  ]);
  expect(earningsScreen(earnings, 'reward', NOW)).toContain('No rewards were decided for it');
});
