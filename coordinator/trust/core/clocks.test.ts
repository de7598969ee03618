import { describe, expect, test } from 'vitest';
import { judgeClocks, machinesOffset } from './clocks.ts';

const MINUTE = 60_000;
const hub = (offsetMs: number) => ({ source: 'hub', offsetMs }) as const;
const database = (offsetMs: number) => ({ source: 'database', offsetMs }) as const;
const machines = (offsetMs: number) => ({ source: 'machines', offsetMs }) as const;

describe('the wrong clock is', () => {
  test.each([
    [
      'none, if all agree within seconds',
      [hub(900), database(-1_200), machines(15_000)],
      { is: 'agreed', suspects: [] },
    ],
    ['none, if no other clock can be read', [], { is: 'agreed', suspects: [] }],
    [
      'that of trust, if hub and database agree against it',
      [hub(-10 * MINUTE), database(-10 * MINUTE - 200)],
      { is: 'corrected', offsetMs: -10 * MINUTE - 100 },
    ],
    [
      'that of trust, if the machines and one server agree against it',
      [hub(5), database(10 * MINUTE), machines(10 * MINUTE)],
      { is: 'corrected', offsetMs: 10 * MINUTE },
    ],
    [
      'that of the hub, if it is alone',
      [hub(10 * MINUTE), database(3), machines(4)],
      { is: 'agreed', suspects: [hub(10 * MINUTE)] },
    ],
    [
      'unknown, if the machines are alone against all servers',
      [hub(1), database(2), machines(-10 * MINUTE)],
      { is: 'disputed', offsetMs: -10 * MINUTE },
    ],
    [
      'unknown, if only the machines can be read',
      [machines(10 * MINUTE)],
      { is: 'disputed', offsetMs: 10 * MINUTE },
    ],
    [
      'unknown, if three clocks all differ',
      [hub(10 * MINUTE), database(-10 * MINUTE), machines(20 * MINUTE)],
      { is: 'disputed', offsetMs: 20 * MINUTE },
    ],
  ])('%s', (_, readings, verdict) => expect(judgeClocks(readings)).toMatchObject(verdict));
});

test('machines have a common vote only if there are three and most of them agree', () => {
  expect(machinesOffset([0, 0])).toBeUndefined();
  expect(machinesOffset([10 * MINUTE, 10 * MINUTE + 5, 0])).toBe(10 * MINUTE);
  expect(machinesOffset([0, 10 * MINUTE, 20 * MINUTE, 30 * MINUTE])).toBeUndefined();
});
