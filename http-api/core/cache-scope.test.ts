import { expect, test } from 'vitest';
import { cacheScopeOf } from './cache-scope.ts';

const NOON = Date.UTC(2026, 0, 31, 12);
const HOURS_12 = 12 * 3_600_000;
const scope = (secret: string, now = NOON, authorization?: string) =>
  cacheScopeOf({
    secret,
    kind: 'cache',
    now,
    ...(authorization !== undefined && { authorization }),
  });

test('the scope of a key is the same for one UTC day, and another one on the next day', () => {
  expect(scope('key', NOON + HOURS_12 - 1)).toBe(scope('key'));
  expect(scope('key', NOON + HOURS_12)).not.toBe(scope('key'));
});

test('no two keys share a scope, and no key shares one between readable and sealed prompts', () => {
  const sealed = cacheScopeOf({ secret: 'key', kind: 'sealed', now: NOON });
  const scopes = [
    scope('key'),
    scope('other'),
    scope('key', NOON, 'one'),
    scope('key', NOON, 'two'),
  ];
  expect(new Set([...scopes, sealed]).size).toBe(5);
});
