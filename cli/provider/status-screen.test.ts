import { expect, test } from 'vitest';
import { idleSummary, reportedSummary, usedMemory } from './status-screen.ts';

const NOW = Date.parse('2026-11-27T12:30:00Z');
const hour = (hoursAgo: number, code: string, text: string) => ({
  hour: new Date(NOW - hoursAgo * 3_600_000).toISOString(),
  code,
  text,
});

test('hours without an answer are summed up by their reasons, for the last day', () => {
  const idle_hours = [
    hour(40, 'paused', 'Paused by you.'),
    hour(3, 'no_requests', 'no caller requests its models.'),
    hour(2, 'others_sooner', 'a faster machine is idle.'),
    hour(1, 'others_sooner', '2 faster machines are idle.'),
  ];
  expect(idleSummary({ idle_hours }, NOW)).toBe(
    '3 of the last 24 h without an answer. 2 h: 2 faster machines are idle. 1 h: no caller requests its models.',
  );
  expect(idleSummary({ idle_hours: [] }, NOW)).toBeUndefined();
});

test('the used memory is that of the models that are or will be in memory', () => {
  const model = (build: string, state: string, bytes: number) => ({
    build,
    state,
    bytes,
    running: 0,
    waiting: 0,
  });
  const models = [
    model('a', 'resident', 2e9),
    model('b', 'loading', 1e9),
    model('c', 'cold', 3e9),
    model('d', 'failed', 3e9),
  ];
  expect(usedMemory({ models, memory_bytes: 4e9 })).toBe('3.0 GB of 4.0 GB for models are used');
  expect(usedMemory({ models })).toBeUndefined();
});

test('the owner sees which faults were reported to the operator, and when', () => {
  const last_at = new Date(NOW - 3 * 60_000).toISOString();
  const reported = { last_at, times: { thermal: 2, download_failed: 1 } };
  expect(reportedSummary({ reported }, NOW)).toBe(
    '2 × thermal, 1 × download_failed to the operator since the start, the last 3 min ago',
  );
  expect(reportedSummary({}, NOW)).toBeUndefined();
});
