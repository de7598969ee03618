import { expect, test } from 'vitest';
import { Primary } from './primary.ts';

const URL_OF_THREE = 'postgres://dinf@a,b,c/money';

function underTest() {
  const tried: string[] = [];
  const state = { primary: 'b', now: 0 };
  const primary = new Primary(URL_OF_THREE, {
    now: () => state.now,
    probe: async ({ name }) => {
      tried.push(name);
      if (name !== state.primary) throw new Error('read-only');
    },
  });
  const found = async () => (await primary.find()).name;
  return { primary, tried, state, found };
}

test('a primary is remembered, and callers at the same time share one search', async () => {
  const { tried, found } = underTest();
  expect(await Promise.all([found(), found(), found()])).toEqual(['b', 'b', 'b']);
  expect(await found()).toBe('b');
  expect(tried).toEqual(['a', 'b']);
});

test('after a doubt all hosts are tried, the one in doubt last', async () => {
  const { primary, tried, state, found } = underTest();
  await found();
  tried.length = 0;
  primary.doubt();
  expect(await found()).toBe('b');
  expect(tried).toEqual(['a', 'c', 'b']);
  state.primary = 'a';
  primary.doubt();
  expect(await found()).toBe('a');
});

test('without a primary the error names every host, and the next search waits a moment', async () => {
  const { tried, state, found } = underTest();
  state.primary = 'none';
  await expect(found()).rejects.toThrow(
    /none of a, b, c .*a: read-only.*b: read-only.*c: read-only/,
  );
  await expect(found()).rejects.toThrow('none of a, b, c');
  expect(tried).toHaveLength(3);
  state.primary = 'a';
  state.now = 1_000;
  expect(await found()).toBe('a');
});
