import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { Metric } from '#observability/metric.ts';
import { METRICS } from '#observability/metric-table.ts';
import { nodeMetrics } from '#observability/metrics-page.ts';
import { DASHBOARDS } from '#packaging/monitoring/dashboards.ts';
import { onPath } from './on-path.ts';

const ROOT = join(import.meta.dirname, '../..');
const FOLDER = join(ROOT, 'packaging/monitoring');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const alerts = read('packaging/monitoring/alerts.yml');
const names = [...alerts.matchAll(/- alert: (\w+)/g)].map(([, name = '']) => name);
const run = promisify(execFile);

/** The names of all series that the figures make: a histogram has three. */
const series = new Set([
  ...Object.entries(METRICS).flatMap(([name, { type }]: [string, Metric]) => seriesOf(name, type)),
  ...nodeMetrics().flatMap((name) => seriesOf(name, /duration/.test(name) ? 'histogram' : '')),
]);
function seriesOf(name: string, type: string): string[] {
  return type === 'histogram' ? ['_bucket', '_sum', '_count'].map((end) => name + end) : [name];
}
/** The figures that a text names; not the values of the label `metric`. */
const figuresIn = (text: string) =>
  text.replaceAll(/metric=~"[^"]*"/g, '').match(/\b(dinf|nodejs|process)_\w+/g) ?? [];

describe('alerts and dashboards', () => {
  test('name only figures of the table', () => {
    const queries = Object.values(DASHBOARDS).flatMap(({ panels }) =>
      panels.flatMap((panel) => Object.values(panel.queries)),
    );
    const named = [...figuresIn(alerts), ...queries.flatMap(figuresIn)];
    expect(named.length).toBeGreaterThan(100);
    expect(named.filter((name) => !series.has(name))).toEqual([]);
  });

  test('link to a section of the runbook, and every section belongs to an alert', () => {
    const links = [...alerts.matchAll(/runbook: (\S+)#(\S+)/g)];
    expect(links.map(([, file, anchor]) => `${file}#${anchor}`)).toEqual(
      names.map((name) => `docs/operating/incidents.md#${name.toLowerCase()}`),
    );
    const sections = [...read('docs/operating/incidents.md').matchAll(/^## (\w+)$/gm)];
    expect(sections.map(([, title]) => title)).toEqual(names);
  });

  test('each have a test in which the alert fires', () => {
    const tested = read('packaging/monitoring/alerts.test.yml');
    expect(names.filter((name) => !tested.includes(`alertname="${name}"`))).toEqual([]);
  });
});

describe.skipIf(!onPath('promtool'))("promtool (in Debian's package prometheus)", () => {
  test('accepts the rules and the configuration', async () => {
    await run('promtool', ['check', 'rules', join(FOLDER, 'alerts.yml')]);
    await run('promtool', ['check', 'config', join(FOLDER, 'prometheus.yml')]);
  });

  test('runs the tests of the alerts', async () => {
    const { stdout } = await run('promtool', ['test', 'rules', join(FOLDER, 'alerts.test.yml')]);
    expect(stdout).toContain('SUCCESS');
  });
});
