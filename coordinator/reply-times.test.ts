import { expect, test } from 'vitest';
import { ReplyTimes } from './reply-times.ts';

test('a reply is late after 300 ms, after four times the mean of those before it, or after half of its time', () => {
  const times = new ReplyTimes();
  const lateAfterMs = () => times.lateAfterMs('svc.a.b', 10_000);
  expect(lateAfterMs()).toBe(300);
  for (let reply = 0; reply < 100; reply += 1) times.replied('svc.a.b', 20);
  expect(lateAfterMs()).toBe(300);
  for (let reply = 0; reply < 100; reply += 1) times.replied('svc.a.b', 500);
  expect(lateAfterMs()).toBeCloseTo(2_000, -1);
  expect(times.lateAfterMs('svc.a.b', 2_000)).toBe(1_000);
  expect(times.lateAfterMs('svc.a.c', 2_000)).toBe(300);
});
