import { expect, test } from 'vitest';
import { LoadingCache } from './loading-cache.ts';

function counting(options: { maximum?: number; fails?: () => boolean } = {}) {
  const loaded: string[] = [];
  let time = 0;
  const load = async (key: string) => {
    loaded.push(key);
    if (options.fails?.()) throw new Error('no');
    return `${key}!`;
  };
  return {
    loaded,
    at: (ms: number) => (time = ms),
    cache: new LoadingCache({
      load,
      ttlMs: 100,
      maximum: options.maximum ?? 10,
      now: () => time,
    }),
  };
}

test('callers at the same time share one loading, and its value lives until its time is over', async () => {
  const { loaded, at, cache } = counting();
  expect(await Promise.all([cache.get('a'), cache.get('a')])).toEqual(['a!', 'a!']);
  at(99);
  await cache.get('a');
  expect(loaded).toEqual(['a']);
  at(100);
  await cache.get('a');
  cache.clear();
  await cache.get('a');
  expect(loaded).toEqual(['a', 'a', 'a']);
});

test('a failure is not cached', async () => {
  let fails = true;
  const { cache } = counting({ fails: () => fails });
  await expect(cache.get('a')).rejects.toThrow('no');
  fails = false;
  expect(await cache.get('a')).toBe('a!');
});

test('at most the maximum number of values is cached', async () => {
  const { loaded, cache } = counting({ maximum: 2 });
  for (const key of ['a', 'b', 'c', 'b', 'a']) await cache.get(key);
  expect(loaded).toEqual(['a', 'b', 'c', 'a']);
});
