import { expect, test } from 'vitest';
import { shareHeaps } from './small-heaps.mjs';

test('processes get two heaps of the C library, unless the environment has another number', () => {
  const plain: NodeJS.ProcessEnv = {};
  shareHeaps(plain);
  expect(plain['MALLOC_ARENA_MAX']).toBe('2');
  const chosen: NodeJS.ProcessEnv = { MALLOC_ARENA_MAX: '8' };
  shareHeaps(chosen);
  expect(chosen['MALLOC_ARENA_MAX']).toBe('8');
});
