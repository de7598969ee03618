import { expect, test } from 'vitest';
import { ReceiptQuota } from './receipt-quota.ts';

test('each machine has a quota of its own, which is full again in the next second', () => {
  const time = { now: 5_000 };
  const quota = new ReceiptQuota(() => time.now);
  const taken = (provider: string) =>
    Array.from({ length: 1_000 }, () => quota.take(provider)).filter((isTaken) => isTaken).length;
  expect([
    taken('flooder'),
    quota.isSpent('flooder'),
    quota.isSpent('honest'),
    quota.take('honest'),
  ]).toEqual([200, true, false, true]);
  time.now += 1_000;
  expect([quota.isSpent('flooder'), taken('flooder')]).toEqual([false, 200]);
});
