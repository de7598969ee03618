import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { INCIDENT_KINDS } from './incident-kinds.ts';
import {
  type IncidentFinding,
  type Incidents,
  NO_INCIDENTS,
  withObservation,
} from './incident-list.ts';

const HOUR_MS = 3_600_000;
const lagging = (subject: string, waiting = 6_000): IncidentFinding => ({
  alert: 'DinfConsumerBehind',
  subject,
  values: { stream: 'JOBS', reader: subject, waiting },
});
const drift: IncidentFinding = { alert: 'DinfLedgerDrift', subject: '', values: {} };
const checked = new Set(['DinfConsumerBehind'] as const);
const after = (before: Incidents, findings: readonly IncidentFinding[], now: number) =>
  withObservation(before, { checked, findings }, now);

test('an incident keeps its beginning while it is observed, with its newest values', () => {
  const first = after(NO_INCIDENTS, [lagging('a', 6_000)], 1_000);
  const second = after(first, [lagging('a', 7_000)], 2_000);
  expect(second).toEqual({
    open: [{ ...lagging('a', 7_000), since: 1_000, seenAt: 2_000 }],
    ended: [],
  });
});

test('a state ends when it is looked for and not found, and never because a check failed', () => {
  const open = after(NO_INCIDENTS, [lagging('a'), lagging('b')], 1_000);
  const unknown = withObservation(open, { checked: new Set(), findings: [] }, 2_000);
  expect(unknown).toEqual(open);
  const { open: left, ended } = after(open, [lagging('b')], 3_000);
  expect(left.map(({ subject }) => subject)).toEqual(['b']);
  expect(ended).toEqual([{ ...lagging('a'), since: 1_000, seenAt: 1_000, endedAt: 3_000 }]);
});

test('an incident of one moment ends an hour after it was last observed', () => {
  const open = after(NO_INCIDENTS, [drift], 0);
  const again = after(open, [drift], HOUR_MS / 2);
  expect(after(again, [], HOUR_MS).open).toHaveLength(1);
  expect(after(again, [], 1.5 * HOUR_MS).open).toEqual([]);
});

test('at most 100 incidents are open, and 100 ended ones are remembered', () => {
  const many = Array.from({ length: 150 }, (_, index) => lagging(`reader ${index}`));
  let incidents = after(NO_INCIDENTS, many, 1);
  expect(incidents.open).toHaveLength(100);
  for (let now = 2; now < 6; now += 2) {
    incidents = after(incidents, [], now);
    incidents = after(incidents, many, now + 1);
  }
  expect(incidents.ended).toHaveLength(100);
});

const ROOT = join(import.meta.dirname, '../../../..');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');

test('each incident has the severity of its alert for Prometheus, and a runbook', () => {
  const rules = read('packaging/monitoring/alerts.yml').split('- alert: ').slice(1);
  const severities = new Map(
    rules.map((rule) => [/^\w+/.exec(rule)?.[0], /severity: (\w+)/.exec(rule)?.[1]]),
  );
  const runbook = read('docs/operating/incidents.md');
  for (const [alert, { severity }] of Object.entries(INCIDENT_KINDS)) {
    expect([alert, severities.get(alert)]).toEqual([alert, severity]);
    expect(runbook).toContain(`\n## ${alert}\n\n`);
  }
});
