import { expect, test } from 'vitest';
import { LruMap } from './lru-map.ts';

test('a full map drops the entry that was used least recently, and only that one', () => {
  const dropped: number[] = [];
  const map = new LruMap<string, number>(3, (value) => dropped.push(value));
  map.set('a', 1);
  map.set('b', 2);
  map.set('c', 3);
  map.get('a');
  map.set('b', 20);
  map.set('d', 4);
  expect([...map]).toEqual([
    ['a', 1],
    ['b', 20],
    ['d', 4],
  ]);
  expect(dropped).toEqual([3]);
});

test('a map never exceeds its maximum, and removed entries are not reported as dropped', () => {
  const dropped: number[] = [];
  const map = new LruMap<number, number>(100, (value) => dropped.push(value));
  for (let key = 0; key < 1_000; key += 1) {
    map.set(key, key);
    expect(map.size).toBeLessThanOrEqual(100);
  }
  expect(dropped).toEqual(Array.from({ length: 900 }, (_, key) => key));
  expect([map.delete(999), map.delete(999), map.get(999)]).toEqual([true, false, undefined]);
  map.clear();
  expect([map.size, dropped.length]).toEqual([0, 900]);
});
