import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { AdmissionQueue } from './admission-queue.ts';

const MOST_MS = 500;
const PER_TURN = 64;

function queueAt() {
  const time = { now: 0 };
  const queue = new AdmissionQueue({ mostMs: MOST_MS, clock: () => time.now });
  const begun: number[] = [];
  const enter = (count: number) =>
    Array.from({ length: count }, (_, index) =>
      queue.enter().then(
        () => void begun.push(index),
        (error: Error) => error,
      ),
    );
  /** Ends a turn of the event loop that took `ms` milliseconds. */
  const turnOf = async (ms: number): Promise<void> => {
    time.now += ms;
    await turn();
  };
  return { queue, time, begun, enter, turnOf };
}

test('the requests of a burst begin in their order, some in each turn, and none is refused', async () => {
  const { queue, begun, enter } = queueAt();
  const entered = enter(3 * PER_TURN + 1);
  await Promise.resolve();
  for (const expected of [PER_TURN, 2 * PER_TURN, 3 * PER_TURN, 3 * PER_TURN + 1]) {
    expect(begun).toHaveLength(expected);
    await turn();
  }
  await Promise.all(entered);
  expect(begun).toEqual(begun.toSorted((one, other) => one - other));
  expect(queue.size).toBe(0);
});

test('a burst may wait four times as long as load that lasts', async () => {
  const { queue, enter, turnOf } = queueAt();
  const turns = async (count: number) => {
    for (let done = 0; done < count; done += 1) await turnOf(40);
  };
  const entered = enter(2_000);
  await turns(10);
  // 1296 requests need 20 turns of 40 ms, and load that lasts may wait for 12.
  expect(queue.size).toBe(1_296);
  expect(queue.isFull).toBe(false);
  entered.push(...enter(1_930));
  expect(queue.isFull).toBe(true);
  await turns(35);
  entered.push(...enter(300));
  expect(queue.isFull).toBe(false);
  // Now requests have waited for four times as long without a pause.
  await turns(5);
  expect(queue.isFull).toBe(true);
  await turns(3);
  expect(queue.isFull).toBe(false);
  while (queue.size > 0) await turnOf(0);
  await Promise.all(entered);
});

test('long turns begin fewer requests, until they are short again', async () => {
  const { queue, enter, turnOf } = queueAt();
  const entered = enter(10 * PER_TURN);
  await turnOf(0);
  const begunIn = async (ms: number) => {
    const { size } = queue;
    await turnOf(ms);
    return size - queue.size;
  };
  const long = [await begunIn(400), await begunIn(400), await begunIn(400)];
  expect(long).toEqual([16, 10, 9]);
  const short = [await begunIn(10), await begunIn(10), await begunIn(10), await begunIn(10)];
  expect(short).toEqual([17, 33, 60, PER_TURN]);
  while (queue.size > 0) await turnOf(0);
  await Promise.all(entered);
});

test('a request that would wait too long is refused; those that wait begin, and then new ones do', async () => {
  const { queue, begun, enter, turnOf } = queueAt();
  const entered = enter(4 * PER_TURN);
  await turnOf(0);
  await turnOf(4 * MOST_MS);
  expect(queue.isFull).toBe(true);
  await expect(queue.enter()).rejects.toMatchObject({ code: 'overloaded', status: 429 });
  while (queue.size > 0) await turnOf(0);
  await Promise.all(entered);
  expect(begun).toHaveLength(4 * PER_TURN);
  expect(queue.isFull).toBe(false);
  await queue.enter();
});

test('at most 4096 requests wait, however short the turns are', async () => {
  const { queue, enter } = queueAt();
  const entered = enter(PER_TURN + 4_097);
  expect(queue.size).toBe(4_096);
  await expect(entered.at(-1)).resolves.toMatchObject({ code: 'overloaded' });
  while (queue.size > 0) await turn();
  await Promise.all(entered);
});

test('three times as many requests as a process can serve: it serves what it can, and the others learn it at once', async () => {
  const { queue, time } = queueAt();
  const costMs = 1;
  const refusalMs = 0.05;
  let [served, refused, owed] = [0, 0, 0];
  const longestMs = { first: 0, later: 0 };
  while (time.now < 30_000) {
    const before = time.now;
    // What began in the turn before is worked on in this one.
    await turn();
    for (owed += 3 * Math.max(1, time.now - before); owed >= 1; owed -= 1) {
      if (queue.isFull) {
        refused += 1;
        time.now += refusalMs;
        continue;
      }
      const arrivedAt = time.now;
      void queue.enter().then(() => {
        const part = arrivedAt < 10_000 ? 'first' : 'later';
        longestMs[part] = Math.max(longestMs[part], time.now - arrivedAt);
        served += 1;
        time.now += costMs;
      });
    }
    time.now += 1;
  }
  expect(served / 30_000).toBeGreaterThan(0.8);
  expect(refused).toBeGreaterThan(served);
  expect(longestMs.first).toBeLessThan(5 * MOST_MS);
  expect(longestMs.later).toBeLessThan(2 * MOST_MS);
});
