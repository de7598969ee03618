import { expect, test } from 'vitest';
import { MachineHours, minuteOf } from './machine-hours.ts';

const HOUR_MS = 3_600_000;
const START = 500_000 * HOUR_MS;
const MACHINE = 'A';

test('an hour has the minutes of serving, idle and blocked, and the gate of most blocked minutes', () => {
  const hours = new MachineHours();
  const minutes = ['serving', 'draining', 'silent', 'draining', 'idle', 'draining'] as const;
  for (const [minute, what] of minutes.entries())
    hours.note(MACHINE, what, START + minute * 60_000);
  expect(hours.of(MACHINE, START)).toEqual([
    { at: START, servingMinutes: 1, idleMinutes: 1, blockedMinutes: 4, gate: 'draining' },
  ]);
  expect(hours.of('another', START)).toEqual([]);
});

test('a day is kept, and hours without a report are left out', () => {
  const hours = new MachineHours();
  for (const hour of [0, 1, 20, 26]) hours.note(MACHINE, 'idle', START + hour * HOUR_MS);
  expect(hours.of(MACHINE, START + 26 * HOUR_MS).map(({ at }) => (at - START) / HOUR_MS)).toEqual([
    20, 26,
  ]);
  expect(hours.of(MACHINE, START + 46 * HOUR_MS).map(({ at }) => (at - START) / HOUR_MS)).toEqual([
    26,
  ]);
});

test('a machine that was away for more than a day begins with an empty one', () => {
  const hours = new MachineHours();
  for (let hour = 0; hour < 25; hour += 1) hours.note(MACHINE, 'serving', START + hour * HOUR_MS);
  hours.note(MACHINE, 'idle', START + 900 * HOUR_MS);
  expect(hours.of(MACHINE, START + 900 * HOUR_MS)).toEqual([
    { at: START + 900 * HOUR_MS, servingMinutes: 0, idleMinutes: 1, blockedMinutes: 0 },
  ]);
});

test('machines that were not seen for a day are dropped', () => {
  const hours = new MachineHours();
  for (let machine = 0; machine < 100; machine += 1) hours.note(`A${machine}`, 'idle', START);
  hours.note(MACHINE, 'idle', START + 30 * HOUR_MS);
  hours.dropOld(START + 30 * HOUR_MS);
  expect(hours.size).toBe(1);
});

const report = (...missed: (string | undefined)[]) => ({
  periodMs: 60_000,
  builds: missed.map((reason, index) => ({
    build: `build-${index}`,
    requests: 1,
    chosen: reason === undefined ? 1 : 0,
    ...(reason !== undefined && { missed: reason }),
  })),
});
const idle = { slots: new Map() };

test.each([
  ['a machine that was chosen serves', report('draining', undefined), 'serving'],
  ['a machine without a free place serves', report('busy'), 'serving'],
  ['a machine behind faster ones is idle', report('others_sooner'), 'idle'],
  ['a machine with an open build is idle', report('slot_failed', 'no_requests'), 'idle'],
  [
    'a machine whose gates are all closed is blocked',
    report('draining', 'slot_failed'),
    'draining',
  ],
])('%s', (_name, demand, minute) => {
  expect(minuteOf(idle, demand)).toBe(minute);
});
