import { expect, test } from 'vitest';
import { releaseStartMemory } from './start-memory.ts';

test('what only the start needed is collected, although there is room for it', async () => {
  const refs = Array.from({ length: 100 }, () => new WeakRef({ only: 'the start' }));
  releaseStartMemory(0);
  await expect.poll(() => refs.filter((ref) => ref.deref() !== undefined)).toEqual([]);
  expect('gc' in globalThis).toBe(false);
});
