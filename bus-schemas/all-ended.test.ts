import { expect, test } from 'vitest';
import { allEnded } from './all-ended.ts';

test('results are returned in the order of the work', async () => {
  const late = Promise.withResolvers<string>();
  const both = allEnded(late.promise, Promise.resolve(2));
  late.resolve('one');
  expect(await both).toEqual(['one', 2]);
});

test('a failure is thrown only after the other work has ended, so that what it began can be stopped', async () => {
  const slow = Promise.withResolvers<void>();
  const seen: string[] = [];
  const both = allEnded(
    Promise.reject(new Error('no port')),
    slow.promise.then(() => void seen.push('started')),
  ).catch((error: Error) => void seen.push(error.message));
  await new Promise((next) => setImmediate(next));
  expect(seen).toEqual([]);
  slow.resolve();
  await both;
  expect(seen).toEqual(['started', 'no port']);
});
