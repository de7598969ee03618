import { expect, test } from 'vitest';
import { Remembered } from './remembered.ts';

function counting(options: { maximum?: number; fails?: () => boolean } = {}) {
  const asked: string[] = [];
  let time = 0;
  const load = async (key: string) => {
    asked.push(key);
    if (options.fails?.()) throw new Error('no');
    return `${key}!`;
  };
  return {
    asked,
    at: (ms: number) => (time = ms),
    remembered: new Remembered({
      load,
      ttlMs: 100,
      maximum: options.maximum ?? 10,
      now: () => time,
    }),
  };
}

test('callers at the same time share one loading, and its value lives until its time is over', async () => {
  const { asked, at, remembered } = counting();
  expect(await Promise.all([remembered.get('a'), remembered.get('a')])).toEqual(['a!', 'a!']);
  at(99);
  await remembered.get('a');
  expect(asked).toEqual(['a']);
  at(100);
  await remembered.get('a');
  remembered.forget();
  await remembered.get('a');
  expect(asked).toEqual(['a', 'a', 'a']);
});

test('a failure is not cached', async () => {
  let fails = true;
  const { remembered } = counting({ fails: () => fails });
  await expect(remembered.get('a')).rejects.toThrow('no');
  fails = false;
  expect(await remembered.get('a')).toBe('a!');
});

test('at most the maximum number of values is cached', async () => {
  const { asked, remembered } = counting({ maximum: 2 });
  for (const key of ['a', 'b', 'c', 'b', 'a']) await remembered.get(key);
  expect(asked).toEqual(['a', 'b', 'c', 'a']);
});
