import { expect, test } from 'vitest';
import { Batcher } from './batcher.ts';

test('the first item runs at once, items that arrive while it runs form batches up to the maximum', async () => {
  const batches: number[][] = [];
  const gates: (() => void)[] = [];
  const run = async (items: readonly number[]): Promise<number[]> => {
    batches.push([...items]);
    await new Promise<void>((resolve) => gates.push(resolve));
    return items.map((item) => item * 10);
  };
  const batcher = new Batcher({ run, maximum: 3 });
  const first = batcher.add(1);
  await Promise.resolve();
  const others = [2, 3, 4, 5].map((item) => batcher.add(item));
  for (let released = 0; released < 3; released += 1) {
    while (gates.length === 0) await Promise.resolve();
    gates.shift()?.();
    await Promise.resolve();
  }
  expect(await Promise.all([first, ...others])).toEqual([10, 20, 30, 40, 50]);
  expect(batches).toEqual([[1], [2, 3, 4], [5]]);
});

test('an item that makes its batch fail fails alone', async () => {
  class Spoilt extends Error {}
  const run = async (items: readonly number[]): Promise<number[]> => {
    if (items.includes(13)) throw new Spoilt();
    return [...items];
  };
  const batcher = new Batcher({
    run,
    maximum: 64,
    isItemsFault: (error) => error instanceof Spoilt,
  });
  const results = await Promise.allSettled(
    Array.from({ length: 40 }, (_, item) => batcher.add(item)),
  );
  expect(results.flatMap(({ status }, item) => (status === 'rejected' ? [item] : []))).toEqual([
    13,
  ]);
});

test('a failure that no item caused fails its batch, and not the next one', async () => {
  let isAway = true;
  const run = async (items: readonly number[]): Promise<number[]> => {
    if (isAway) throw new Error('away');
    return [...items];
  };
  const batcher = new Batcher({ run, maximum: 8 });
  await expect(batcher.add(1)).rejects.toThrow('away');
  isAway = false;
  expect(await batcher.add(2)).toBe(2);
});

test('items that arrive while a batch runs are gathered as the first ones were', async () => {
  const batches: number[][] = [];
  const started = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const release = Promise.withResolvers<void>();
  const run = async (items: readonly number[]): Promise<number[]> => {
    batches.push([...items]);
    started[batches.length - 1]?.resolve();
    if (batches.length === 1) await release.promise;
    return [...items];
  };
  const batcher = new Batcher({ run, maximum: 64, gatherMs: 5 });
  const first = batcher.add(1);
  await started[0]?.promise;
  const second = batcher.add(2);
  release.resolve();
  await first;
  // No timer can fire in between, however slow the computer is.
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  const third = batcher.add(3);
  await Promise.all([second, third]);
  expect(batches).toEqual([[1], [2, 3]]);
});
