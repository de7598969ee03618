import { expect, test } from 'vitest';
import { dayCells } from './machine-day.ts';

const HOUR_MS = 3_600_000;
const NOW = 500_000 * HOUR_MS + 1_234;
const hour = (ago: number, minutes: readonly [number, number, number], because?: string) => ({
  at: new Date(Math.floor(NOW / HOUR_MS) * HOUR_MS - ago * HOUR_MS).toISOString(),
  serving_minutes: minutes[0],
  idle_minutes: minutes[1],
  blocked_minutes: minutes[2],
  gate: because === undefined ? null : 'draining',
  because: because ?? null,
});

test('a day has 24 hours, and those without a report are unknown', () => {
  const cells = dayCells([hour(0, [5, 0, 0]), hour(23, [0, 60, 0]), hour(24, [60, 0, 0])], NOW);
  expect(cells).toHaveLength(24);
  expect(cells.at(-1)).toMatchObject({ serving: 5, idle: 0, blocked: 0 });
  expect(cells[0]).toMatchObject({ idle: 60 });
  expect(cells[1]).toMatchObject({ serving: 0, idle: 0, blocked: 0, because: null });
});

test('an hour of two routers is their sum, and never more than 60 minutes', () => {
  const [cell] = dayCells([hour(0, [20, 10, 5]), hour(0, [20, 20, 5], 'drained')], NOW).slice(-1);
  expect(cell).toMatchObject({ serving: 40, idle: 20, blocked: 0, because: 'drained' });
});
