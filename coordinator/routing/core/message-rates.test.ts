import { expect, test } from 'vitest';
import { idOf } from './fleet-under-test.ts';
import { MAX_OWN_MESSAGE_BYTES, MessageRates } from './message-rates.ts';

const PROVIDER = idOf('B');
const beat = { kind: 'announcement', bytes: 500 } as const;
const report = { kind: 'capacity', bytes: 500 } as const;

test('all messages of an honest machine are read: a beat every 5 s and ten reports per second, for an hour', () => {
  const rates = new MessageRates();
  for (let tick = 0; tick < 36_000; tick += 1) {
    expect(rates.admit(PROVIDER, report, tick * 100)).toBe('taken');
    if (tick % 50 === 0) expect(rates.admit(PROVIDER, beat, tick * 100)).toBe('taken');
  }
});

test('a flood is reported once, jobs return a minute after its end, and the machine is then dropped', () => {
  const rates = new MessageRates();
  const admissions = Array.from({ length: 1_000 }, () => rates.admit(PROVIDER, report, 0));
  expect(admissions.filter((admission) => admission === 'taken')).toHaveLength(60);
  expect(admissions.filter((admission) => admission === 'flood')).toHaveLength(1);
  expect([rates.isFlooding(PROVIDER, 59_999), rates.isFlooding(PROVIDER, 60_000)]).toEqual([
    true,
    false,
  ]);
  rates.sweep(59_999);
  expect(rates.size).toBe(1);
  rates.sweep(60_000);
  expect(rates.size).toBe(0);
});

test('a few messages over the limit, or a too large one, are rejected without other consequences', () => {
  const rates = new MessageRates();
  expect(rates.admit(PROVIDER, { ...beat, bytes: MAX_OWN_MESSAGE_BYTES + 1 }, 0)).toBe('rejected');
  for (let message = 0; message < 100; message += 1) rates.admit(PROVIDER, beat, 0);
  expect(rates.isFlooding(PROVIDER, 0)).toBe(false);
  expect(rates.admit(PROVIDER, beat, 1_000)).toBe('taken');
});
