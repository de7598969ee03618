import { Compile } from 'typebox/compile';
import { expect, test } from 'vitest';
import { PublicName } from '#bus-schemas';
import { isReserved, nameShape } from './public-name.ts';

const schema = Compile(PublicName);

test.each(['Ada', 'Kitchen Mac', 'm4-max.2', 'x'.repeat(40)])('"%s" can be a name', (name) => {
  expect(schema.Check(name)).toBe(true);
});

test.each([
  ['one letter', 'a'],
  ['41 letters', 'x'.repeat(41)],
  ['a Cyrillic letter', 'Kit\u0441hen'],
  ['an invisible character', 'Kit\u200bchen'],
  ['a change of direction', 'Kit\u202echen'],
  ['a line break', 'Kitchen\n'],
  ['markup', '<b>Mac</b>'],
  ['an address', 'https://evil.example'],
  ['two spaces', 'Kitchen  Mac'],
  ['a space at its end', 'Kitchen '],
])('a text with %s cannot be a name', (_what, name) => {
  expect(schema.Check(name)).toBe(false);
});

test.each([
  ['Kitchen Mac', 'kitchen-mac'],
  ['Studio 1', 'Studio l'],
  ['Illinois', 'lllin0is'],
  ['Modern', 'rnodem'],
  ['Wave', 'vvave'],
  ['Base 58', 'ba5e sb'],
])('"%s" and "%s" have one shape', (one, other) => {
  expect(nameShape(one)).toBe(nameShape(other));
});

test('names that differ in a letter or a digit have two shapes', () => {
  const names = ['Studio 3', 'Studio 4', 'Ada', 'Ida', 'Mac', 'Max'];
  expect(new Set(names.map(nameShape)).size).toBe(names.length);
});

test('a name that would appear as the network itself is reserved', () => {
  for (const name of ['Official Mac', '0fficial', 'the 0perat0r', 'D-Inf', 'ADM1N'])
    expect(isReserved(name)).toBe(true);
  for (const name of ['Ada', 'Kitchen Mac', 'Opera']) expect(isReserved(name)).toBe(false);
});
