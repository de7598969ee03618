import { expect, test } from 'vitest';
import { ReplyTimes } from './reply-times.ts';

test('a reply is late after 300 ms, or after four times the mean of those before it', () => {
  const times = new ReplyTimes();
  expect(times.lateAfterMs('svc.a.b')).toBe(300);
  for (let reply = 0; reply < 100; reply += 1) times.replied('svc.a.b', 20);
  expect(times.lateAfterMs('svc.a.b')).toBe(300);
  for (let reply = 0; reply < 100; reply += 1) times.replied('svc.a.b', 500);
  expect(times.lateAfterMs('svc.a.b')).toBeCloseTo(2_000, -1);
  expect(times.lateAfterMs('svc.a.c')).toBe(300);
});
