import { expect, test } from 'vitest';
import { checkerOf } from '../compiled/compiled-checker.ts';
import { Type } from '../type.ts';
import { fitsSetting } from './fits-setting.ts';
import { SETTING_GROUPS, type SettingSchema } from './settings.ts';

const TEXTS = [
  ...['', 'a', 'https://a.example', 'http://', 'ES256', 'info', 'hardware', 'example.org:8443'],
  ...[
    '*.example.org',
    'x'.repeat(16),
    'é'.repeat(15),
    'e\u0301'.repeat(8),
    '\u{1f600}'.repeat(9),
    ' ',
  ],
];
const NUMBERS = [0, 1, -1, 0.5, 8_080, 65_535, 65_536, 1e9, 2 ** 53, Number.NaN, Infinity];
const VALUES: readonly unknown[] = [
  ...[...TEXTS, ...NUMBERS, true, false, null, undefined, {}],
  ...[[], ...[...TEXTS, ...NUMBERS].map((item) => [item]), ['a.example', '']],
];

test('a setting has exactly the values that the compiler of its schema accepts', () => {
  const settings: [string, SettingSchema][] = Object.values(SETTING_GROUPS).flatMap(Object.entries);
  expect(settings.length).toBeGreaterThan(50);
  for (const [name, schema] of settings) {
    const checker = checkerOf(schema);
    for (const value of [...VALUES, schema.default, ...(schema.enum ?? [])])
      expect(fitsSetting(schema, value), `${name} ${String(value)}`).toBe(checker.Check(value));
  }
});

test('a keyword that is not known is left to the compiler', () => {
  const short = Type.String({ maxLength: 3 });
  expect([fitsSetting(short, 'abc'), fitsSetting(short, 'abcd')]).toEqual([true, false]);
  const few = Type.Array(Type.Integer(), { maxItems: 1 });
  expect([fitsSetting(few, [1]), fitsSetting(few, [1, 2])]).toEqual([true, false]);
});
