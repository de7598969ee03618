import { expect, test } from 'vitest';
import type { ApiKey } from './answers.ts';
import { changesFrom, fieldsOf, NEW_FIELDS } from './key-fields.ts';

const NOW = Date.UTC(2026, 10, 28);

test('empty fields are a key without limits', () => {
  expect(changesFrom({ ...NEW_FIELDS, name: ' laptop ' }, NOW)).toEqual({
    changes: {
      name: 'laptop',
      disabled: false,
      expires_at: null,
      allowed_models: null,
      self_route_only: false,
      daily_limit_micro_usd: null,
      weekly_limit_micro_usd: null,
      monthly_limit_micro_usd: null,
      total_limit_micro_usd: null,
      rpm_limit: null,
      itpm_limit: null,
      otpm_limit: null,
    },
  });
});

test('amounts, counts, models and an expiry are sent as the API takes them', () => {
  const fields = {
    ...NEW_FIELDS,
    expiry: 'week',
    models: ['tiny'],
    daily: '1.50',
    rpm: '60',
  } as const;
  expect(changesFrom(fields, NOW)).toMatchObject({
    changes: {
      expires_at: '2026-12-05T00:00:00.000Z',
      allowed_models: ['tiny'],
      daily_limit_micro_usd: 1_500_000,
      rpm_limit: 60,
    },
  });
});

test('a wrong amount and a wrong groupedDigits are named, and nothing is sent', () => {
  expect(changesFrom({ ...NEW_FIELDS, total: 'ten', otpm: '-3', itpm: '5' }, NOW)).toEqual({
    problems: { total: expect.any(String), otpm: expect.any(String) },
  });
});

test('an edited key that nobody changed stays as it is', () => {
  const key: ApiKey = {
    id: 'key_1',
    name: 'laptop',
    label: 'sk-db-…abcd',
    disabled: true,
    created_at: '2026-01-01T00:00:00Z',
    expires_at: '2026-12-31T00:00:00Z',
    last_used_at: null,
    rpm_limit: 60,
    itpm_limit: null,
    otpm_limit: null,
    allowed_models: ['tiny'],
    self_route_only: true,
    daily_limit_micro_usd: 250_000,
    weekly_limit_micro_usd: null,
    monthly_limit_micro_usd: 100_000_000,
    total_limit_micro_usd: null,
    spent_micro_usd: { day: 0, week: 0, month: 0, total: 0 },
  };
  const answer = changesFrom(fieldsOf(key), NOW);
  expect(answer).toHaveProperty('changes');
  if (!('changes' in answer)) return;
  expect(key).toMatchObject(answer.changes);
  expect(answer.changes).not.toHaveProperty('expires_at');
});
