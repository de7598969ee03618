import { expect, test } from 'vitest';
import type { ApiKey, OwnMachine } from './answers.ts';
import { closestLimit, requiredActions } from './required-actions.ts';

const NOW = Date.UTC(2026, 10, 28);
const balance = {
  available_micro_usd: 5_000_000,
  held_micro_usd: 0,
  promotional_micro_usd: 0,
  owed_micro_usd: 0,
  withdrawable_micro_usd: 0,
  maturing: [],
};
const key: ApiKey = {
  id: 'key_1',
  name: 'laptop',
  label: 'sk-db-…abcd',
  disabled: false,
  created_at: '2026-01-01T00:00:00Z',
  expires_at: null,
  last_used_at: null,
  rpm_limit: null,
  itpm_limit: null,
  otpm_limit: null,
  allowed_models: null,
  self_route_only: false,
  daily_limit_micro_usd: null,
  weekly_limit_micro_usd: null,
  monthly_limit_micro_usd: null,
  total_limit_micro_usd: null,
  spent_micro_usd: { day: 0, week: 0, month: 0, total: 0 },
};
const machine: OwnMachine = {
  id: 'P1',
  name: 'studio',
  enrolled_at: '2026-01-01T00:00:00Z',
  revoked_at: null,
  online: true,
  public_name: null,
  chip: 'Apple M4',
  memory_bytes: 16_000_000_000,
  trust: {
    standing: 'untrusted',
    level: 'none',
    fault: 'overbilled',
    because: 'It billed too much.',
  },
  record: null,
  slots: [],
};
const texts = (known: Parameters<typeof requiredActions>[0]) =>
  requiredActions(known, NOW).map(({ text }) => text);
const nothing = { balance: undefined, keys: undefined, machines: undefined };

test('nothing is required while nothing is known', () => {
  expect(texts(nothing)).toEqual([]);
});

test('a healthy account has nothing to do', () => {
  expect(texts({ balance, keys: [key], machines: [] })).toEqual([]);
});

test.each([
  [{ ...balance, available_micro_usd: 0 }, 'Your balance is empty'],
  [{ ...balance, available_micro_usd: 400_000 }, 'Your balance is low: $0.40'],
  [{ ...balance, owed_micro_usd: 3_000_000 }, 'You owe $3.00'],
])('a balance of %o is an action', (low, text) => {
  expect(texts({ ...nothing, balance: low })).toEqual([expect.stringContaining(text)]);
});

test('an account without keys is told to create one', () => {
  expect(texts({ ...nothing, keys: [] })).toEqual([expect.stringContaining('Create an API key')]);
});

test('a key that expires soon, and one near its limit, are actions; a paused one is none', () => {
  const soon = { ...key, expires_at: '2026-12-01T00:00:00Z' };
  const near = {
    ...key,
    daily_limit_micro_usd: 100,
    spent_micro_usd: { day: 85, week: 85, month: 85, total: 85 },
  };
  expect(texts({ ...nothing, keys: [soon] })).toEqual(['The key “laptop” expires in 3 days.']);
  expect(texts({ ...nothing, keys: [near] })).toEqual([
    'The key “laptop” has used 85 % of its daily limit.',
  ]);
  expect(texts({ ...nothing, keys: [{ ...near, disabled: true }] })).toEqual([]);
});

test('a key made for a few days does not warn of its expiry', () => {
  const short = { ...key, created_at: '2026-11-27T12:00:00Z', expires_at: '2026-11-28T12:00:00Z' };
  expect(texts({ ...nothing, keys: [short] })).toEqual([]);
});

test('the most urgent action comes first', () => {
  const low = { ...balance, available_micro_usd: 1 };
  expect(texts({ balance: low, keys: [], machines: [machine] })[0]).toBe(
    'The machine “studio” is not trusted, so it gets no requests. It billed too much.',
  );
});

test('the closest limit is the one of which the largest part is used', () => {
  const limited = {
    ...key,
    daily_limit_micro_usd: 100,
    monthly_limit_micro_usd: 200,
    spent_micro_usd: { day: 20, week: 20, month: 150, total: 900 },
  };
  expect(closestLimit(limited)).toEqual({ window: 'month', spent: 150, limit: 200, share: 0.75 });
  expect(closestLimit(key)).toBeUndefined();
});
