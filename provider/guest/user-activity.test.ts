import { expect, test } from 'vitest';
import { macIdleMs, seatIdleMs, UserInput } from './user-activity.ts';

const NOW = Date.parse('2026-11-27T12:00:00Z');
const MINUTE_US = 60_000_000;

test.each([
  ['IdleHint=no\nIdleSinceHint=0\n', 0],
  [`IdleHint=yes\nIdleSinceHint=${NOW * 1_000 - 7 * MINUTE_US}\n`, 420_000],
  // A seat at which nobody has signed in since the start.
  ['IdleHint=yes\nIdleSinceHint=0\n', NOW],
  ['Failed to get path for seat: Unknown seat', undefined],
  [undefined, undefined],
])('the output %j of loginctl is read', (printed, idleMs) => {
  expect(seatIdleMs(printed, NOW)).toBe(idleMs);
});

test.each([
  [
    '  | |   "HIDIdleTime" = 4210000000\n  | |   "HIDScrollCountMaxTimeDeltaBetween" = 600\n',
    4_210,
  ],
  ['+-o Root  <class IORegistryEntry>', undefined],
  [undefined, undefined],
])('the output %j of ioreg is read', (printed, idleMs) => {
  expect(macIdleMs(printed)).toBe(idleMs);
});

test('a machine that yields to its user is closed until there was no input for the time that is set', () => {
  let idleMs: number | undefined;
  const input = new UserInput(300_000, () => idleMs);
  const closed = [0, 299_999, 300_000, undefined].map((next) => {
    idleMs = next;
    return [input.closedAt()?.reason, input.notes];
  });
  expect(closed).toEqual([
    ['user_active', []],
    ['user_active', []],
    [undefined, []],
    [undefined, ['user_unknown']],
  ]);
});
