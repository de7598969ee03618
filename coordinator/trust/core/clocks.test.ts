import { describe, expect, test } from 'vitest';
import { judgeClocks, machinesOffset } from './clocks.ts';

const MINUTE = 60_000;
const hub = (offsetMs: number) => ({ source: 'hub', offsetMs }) as const;
const database = (offsetMs: number) => ({ source: 'database', offsetMs }) as const;
const machines = (offsetMs: number) => ({ source: 'machines', offsetMs }) as const;

describe('the clock that is off is', () => {
  test.each([
    [
      'nobody’s, when all agree within seconds',
      [hub(900), database(-1_200), machines(15_000)],
      { is: 'agreed', suspects: [] },
    ],
    ['nobody’s, when no other clock can be read', [], { is: 'agreed', suspects: [] }],
    [
      'trust’s, when hub and database agree against it',
      [hub(-10 * MINUTE), database(-10 * MINUTE - 200)],
      { is: 'corrected', offsetMs: -10 * MINUTE - 100 },
    ],
    [
      'trust’s, when the machines and one server agree against it',
      [hub(5), database(10 * MINUTE), machines(10 * MINUTE)],
      { is: 'corrected', offsetMs: 10 * MINUTE },
    ],
    [
      'the hub’s, when it is alone',
      [hub(10 * MINUTE), database(3), machines(4)],
      { is: 'agreed', suspects: [hub(10 * MINUTE)] },
    ],
    [
      'unknown, when the machines are alone against all servers',
      [hub(1), database(2), machines(-10 * MINUTE)],
      { is: 'disputed', offsetMs: -10 * MINUTE },
    ],
    [
      'unknown, when nobody but the machines can be read',
      [machines(10 * MINUTE)],
      { is: 'disputed', offsetMs: 10 * MINUTE },
    ],
    [
      'unknown, when three clocks differ three ways',
      [hub(10 * MINUTE), database(-10 * MINUTE), machines(20 * MINUTE)],
      { is: 'disputed', offsetMs: 20 * MINUTE },
    ],
  ])('%s', (_, readings, verdict) => expect(judgeClocks(readings)).toMatchObject(verdict));
});

test('machines speak together only if there are three and most of them agree', () => {
  expect(machinesOffset([0, 0])).toBeUndefined();
  expect(machinesOffset([10 * MINUTE, 10 * MINUTE + 5, 0])).toBe(10 * MINUTE);
  expect(machinesOffset([0, 10 * MINUTE, 20 * MINUTE, 30 * MINUTE])).toBeUndefined();
});
