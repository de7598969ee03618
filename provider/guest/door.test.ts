import { expect, test } from 'vitest';
import { type Closed, Door } from './door.ts';
import { Hours, parseSchedule } from './schedule.ts';

const NIGHT = Date.parse('2026-11-27T23:00:00Z');
const MORNING = Date.parse('2026-11-28T08:00:00Z');
const EVENING = Date.parse('2026-11-28T22:00:00Z');

function doorWith(schedule?: string) {
  const orders: boolean[] = [];
  const door = new Door({
    inputs: schedule === undefined ? [] : [new Hours(parseSchedule(schedule))],
    setDraining: (isDraining) => orders.push(isDraining),
  });
  return { door, orders };
}

test('a machine closes at the end of its hours and opens at their beginning, with one order each', () => {
  const { door, orders } = doorWith('daily 22:00-08:00 UTC');
  door.tick(NIGHT);
  door.tick(NIGHT + 1_000);
  expect([door.closed, orders]).toEqual([undefined, []]);
  door.tick(MORNING);
  door.tick(MORNING + 1_000);
  expect([door.closed, orders]).toEqual([{ reason: 'schedule', until: EVENING }, [true]]);
  door.tick(EVENING);
  expect([door.closed, orders]).toEqual([undefined, [true, false]]);
});

test('a clock that is set back to the hours of the machine opens it', () => {
  const { door, orders } = doorWith('daily 22:00-08:00 UTC');
  door.tick(MORNING);
  door.tick(NIGHT);
  expect([door.closed, orders]).toEqual([undefined, [true, false]]);
});

test('the end of a pause does not open a machine outside of its hours', () => {
  const { door, orders } = doorWith('daily 22:00-08:00 UTC');
  door.tick(MORNING);
  door.setPaused(true);
  door.setPaused(false);
  door.setPaused(true);
  door.tick(EVENING);
  expect(orders).not.toContain(false);
  door.setPaused(false);
  expect(orders.at(-1)).toBe(false);
});

test('a machine without a schedule is closed only by a pause', () => {
  const { door, orders } = doorWith();
  door.tick(MORNING);
  door.setPaused(true);
  expect([door.closed, orders]).toEqual([undefined, [true]]);
});

test('the first input that closes the machine gives the reason, and each new reason is passed on', () => {
  const orders: unknown[] = [];
  let memory: Closed | undefined;
  const door = new Door({
    inputs: [{ closedAt: () => memory }, new Hours(parseSchedule('daily 22:00-08:00 UTC'))],
    setDraining: (isDraining, reason) => orders.push([isDraining, reason]),
  });
  memory = { reason: 'memory_refuse' };
  door.tick(NIGHT);
  memory = { reason: 'memory_unload' };
  door.tick(MORNING);
  memory = undefined;
  door.tick(MORNING);
  door.setPaused(true);
  door.tick(MORNING);
  expect(orders).toEqual([
    [true, 'memory_refuse'],
    [true, 'memory_unload'],
    [true, 'schedule'],
    [true, undefined],
  ]);
});

test('the computer is kept awake while the machine is open, and what prevents that is a note', () => {
  const held: boolean[] = [];
  const door = new Door({
    inputs: [new Hours(parseSchedule('daily 22:00-08:00 UTC'))],
    setDraining: () => undefined,
    awake: { hold: (isOpen) => held.push(isOpen), notes: ['sleep_not_prevented'] },
  });
  for (const now of [NIGHT, MORNING, EVENING]) door.tick(now);
  door.setPaused(true);
  expect(held).toEqual([true, false, true, false]);
  expect(door.notes).toEqual(['sleep_not_prevented']);
});
