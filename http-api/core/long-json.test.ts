import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LongJson } from './long-json.ts';

const written = (long: LongJson) => JSON.parse([...long.pieces()].join(''));

test('an object with a list is written as JSON.stringify writes it', () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), fc.jsonValue(), (items, other) => {
      const members = { first: other, 'a "list"': items, none: undefined, last: 1 };
      expect(written(new LongJson({ ...members, 'a "list"': Iterator.from(items) }))).toEqual(
        JSON.parse(JSON.stringify(members)),
      );
    }),
  );
});

test('a long list has several pieces, and its items are read one after the other', () => {
  let read = 0;
  const items = function* () {
    for (; read < 100; read += 1) yield 'x'.repeat(10_000);
  };
  const pieces = new LongJson({ list: items() }).pieces();
  expect(pieces.next().value?.length).toBeLessThan(90_000);
  expect(read).toBeLessThan(10);
  expect([...pieces].length).toBeGreaterThan(10);
  expect(read).toBe(100);
});
