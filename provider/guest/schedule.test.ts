import { describe, expect, test } from 'vitest';
import { parseSchedule, scheduleAt } from './schedule.ts';

const stateAt = (schedule: string, time: string) => {
  const { isOpen, until } = scheduleAt(parseSchedule(schedule), Date.parse(time));
  return [isOpen, until === undefined ? undefined : new Date(until).toISOString().slice(0, 16)];
};

describe('a schedule', () => {
  const nights = 'mon-fri 22:00-08:00 Europe/Berlin; sat,sun 00:00-24:00 Europe/Berlin';

  test.each([
    ['a Friday afternoon', '2026-11-27T14:00:30Z', [false, '2026-11-27T21:00']],
    ['the beginning of a night', '2026-11-26T21:00:00Z', [true, '2026-11-27T07:00']],
    ['the last minute of a night', '2026-11-27T06:59:59Z', [true, '2026-11-27T07:00']],
    [
      'a night before a weekend, which is open until Monday',
      '2026-11-27T23:30:00Z',
      [true, '2026-11-29T23:00'],
    ],
    [
      'the night to Monday, which belongs to no window',
      '2026-11-30T01:00:00Z',
      [false, '2026-11-30T21:00'],
    ],
  ])('on %s', (_, time, expected) => {
    expect(stateAt(nights, time)).toEqual(expected);
  });

  test('keeps the hours of its zone when the clock changes', () => {
    const night = 'daily 22:00-08:00 Europe/Berlin';
    expect(stateAt(night, '2026-10-24T21:00:00Z')).toEqual([true, '2026-10-25T07:00']);
    expect(stateAt(night, '2026-03-28T22:00:00Z')).toEqual([true, '2026-03-29T06:00']);
  });

  test('that covers every hour never changes', () => {
    expect(stateAt('daily 00:00-24:00 UTC', '2026-11-27T14:00:00Z')).toEqual([true, undefined]);
    expect(stateAt('daily 09:00-09:00 UTC', '2026-11-27T14:00:00Z')).toEqual([true, undefined]);
  });

  test.each([
    ['at night', /has to look like "mon-fri 22:00-08:00 Europe\/Berlin/],
    ['mon 22:00-25:00', /has to look like/],
    ['mon 22:60-23:00', /has to look like/],
    ['someday 22:00-23:00', /has the unknown day "someday"/],
    ['mon 22:00-23:00 Mars/Base', /has the unknown time zone "Mars\/Base"/],
  ])('"%s" is refused with the reason', (text, reason) => {
    expect(() => parseSchedule(text)).toThrow(reason);
  });
});
