import { expect, test } from 'vitest';
import type { CatalogModel } from '#bus-schemas';
import { checkNotShed, deprecationHeaders, mayUse } from './model-access.ts';

const MODEL: CatalogModel = {
  id: 'llama',
  displayName: 'Llama',
  contextTokens: 1,
  maxOutputTokens: 1,
  builds: ['llama-q4'],
  inputMicroUsdPerMillion: 0,
  cacheReadMicroUsdPerMillion: 0,
  outputMicroUsdPerMillion: 0,
  createdAt: 0,
};
const ANN = { account: 'acct_ann', key: 'key_laptop' };

test('a beta test is open to its accounts and keys only, and closed to everybody if it names none', () => {
  expect(mayUse(MODEL, ANN)).toBe(true);
  expect(mayUse({ ...MODEL, betaFor: ['acct_ann'] }, ANN)).toBe(true);
  expect(mayUse({ ...MODEL, betaFor: ['key_laptop'] }, ANN)).toBe(true);
  expect(mayUse({ ...MODEL, betaFor: ['acct_bob', 'key_phone'] }, ANN)).toBe(false);
  expect(mayUse({ ...MODEL, betaFor: [] }, ANN)).toBe(false);
});

test('a model that is shed is refused with the reason until its time, and then served again', () => {
  const shed = { ...MODEL, shed: { until: 31_000, reason: 'new weights' } };
  expect(() => checkNotShed(shed, 1_000)).toThrow(
    expect.objectContaining({
      code: 'model_shed',
      message: expect.stringContaining('new weights'),
      retryAfterMs: 30_000,
    }),
  );
  expect(() => checkNotShed(shed, 31_000)).not.toThrow();
  expect(() => checkNotShed(MODEL, 1_000)).not.toThrow();
});

test('a deprecated model has the headers of RFC 9745 and RFC 8594', () => {
  const at = Date.UTC(2026, 10, 27, 12);
  expect(deprecationHeaders(MODEL)).toEqual({});
  expect(deprecationHeaders({ ...MODEL, deprecation: { at } })).toEqual({
    deprecation: `@${at / 1_000}`,
  });
  expect(deprecationHeaders({ ...MODEL, deprecation: { at, sunsetAt: at } }).sunset).toBe(
    'Fri, 27 Nov 2026 12:00:00 GMT',
  );
});
