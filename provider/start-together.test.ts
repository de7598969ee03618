import { expect, test } from 'vitest';
import { startTogether } from './start-together.ts';

test('parts that start together are returned in their order', async () => {
  const late = Promise.withResolvers<string>();
  const both = startTogether(late.promise, Promise.resolve(2));
  late.resolve('one');
  expect(await both).toEqual(['one', 2]);
});

test('a failure is thrown only after the other parts have started, so that they can be stopped', async () => {
  const slow = Promise.withResolvers<void>();
  const seen: string[] = [];
  const both = startTogether(
    Promise.reject(new Error('no port')),
    slow.promise.then(() => void seen.push('started')),
  ).catch((error: Error) => void seen.push(error.message));
  await new Promise((next) => setImmediate(next));
  expect(seen).toEqual([]);
  slow.resolve();
  await both;
  expect(seen).toEqual(['started', 'no port']);
});
