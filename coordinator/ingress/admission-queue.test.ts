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
  return { queue, time, begun, enter };
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

test('a request that would wait too long is refused; those that wait begin, and then new ones do', async () => {
  const { queue, time, begun, enter } = queueAt();
  const entered = enter(4 * PER_TURN);
  time.now += MOST_MS;
  await turn();
  // The average of a turn is half of what this one took, and two turns are waiting.
  expect(queue.size).toBe(2 * PER_TURN);
  expect(queue.isFull).toBe(false);
  const last = enter(1);
  expect(queue.isFull).toBe(true);
  await expect(queue.enter()).rejects.toMatchObject({ code: 'overloaded', status: 429 });
  for (let turns = 0; turns < 3; turns += 1) await turn();
  await Promise.all([...entered, ...last]);
  expect(begun).toHaveLength(4 * PER_TURN + 1);
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
  let [served, refused, longestMs, owed] = [0, 0, 0, 0];
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
        longestMs = Math.max(longestMs, time.now - arrivedAt);
        served += 1;
        time.now += costMs;
      });
    }
    time.now += 1;
  }
  expect(served / 30_000).toBeGreaterThan(0.8);
  expect(refused).toBeGreaterThan(served);
  expect(longestMs).toBeLessThan(2 * MOST_MS);
});
