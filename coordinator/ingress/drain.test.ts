import { expect, test } from 'vitest';
import { Drain } from './drain.ts';

const NOTICE_MS = 5_000;

test('an ingress that leaves serves requests until the notice has passed', () => {
  let now = 100;
  const drain = new Drain({ noticeMs: NOTICE_MS, clock: () => now });
  expect(drain.state).toBe('open');
  drain.begin();
  expect(drain.state).toBe('leaving');
  now += NOTICE_MS - 1;
  // A second request to drain does not extend the notice.
  drain.begin();
  expect(drain.state).toBe('leaving');
  now += 1;
  expect(drain.state).toBe('closed');
  drain.cancel();
  expect(drain.state).toBe('open');
});

test('without a notice new requests are refused at once', async () => {
  const drain = new Drain({ noticeMs: 0, clock: () => 0 });
  await drain.close();
  expect(drain.state).toBe('closed');
});
