import { Value } from 'typebox/value';
import { expect, describe as group, test } from 'vitest';
import {
  byField,
  byName,
  type KeyRecord,
  RATE_LIMIT_NAMES,
  RATE_LIMITS,
  SPENDING_LIMITS,
  SPENDING_WINDOWS,
} from '#bus-schemas';
import { changed, describe, Key, KeyChanges, NEW_KEY } from './key-fields.ts';

const used = byName(SPENDING_WINDOWS, () => 0);
const everyLimit = {
  ...byField(RATE_LIMITS, () => 7),
  ...byField(SPENDING_LIMITS, () => 9),
};
const record: KeyRecord = {
  ...NEW_KEY,
  key: 'key_0123456789abcdef',
  account: 'acct_0123456789abcdef',
  hint: 'sk-db-…x',
  createdAt: 0,
};
const change = (changes: object) => {
  expect(Value.Check(KeyChanges, changes)).toBe(true);
  return changed({ before: NEW_KEY, caps: {}, changes, now: 0 });
};

group('every limit of a key', () => {
  test('is set by a change and shown', () => {
    const { settings, caps = {} } = change(everyLimit);
    expect(settings.limits).toEqual(byName(RATE_LIMIT_NAMES, () => 7));
    const shown = describe({ ...record, ...settings }, { caps, used });
    expect(shown).toMatchObject(everyLimit);
    expect(Value.Check(Key, shown)).toBe(true);
  });

  test('stays if a change does not name it, and is removed by null', () => {
    const { settings: before, caps = {} } = change(everyLimit);
    const same = changed({ before, caps, changes: { name: 'other' }, now: 0 });
    expect([same.settings.limits, same.caps]).toEqual([before.limits, undefined]);
    const none = byField({ ...RATE_LIMITS, ...SPENDING_LIMITS }, () => null);
    const removed = changed({ before, caps, changes: none, now: 0 });
    expect([removed.settings.limits, removed.caps]).toEqual([{}, {}]);
  });

  test('has a field and, within a window, a header of its own', () => {
    const limits = [...Object.values(RATE_LIMITS), ...Object.values(SPENDING_LIMITS)];
    expect(new Set(limits.map(({ field }) => field)).size).toBe(limits.length);
    expect(new Set(Object.values(RATE_LIMITS).map(({ header }) => header)).size).toBe(
      RATE_LIMIT_NAMES.length,
    );
  });
});
