import { Registry } from 'prom-client';
import { LABELS, type Metric, PARTS } from './metric.ts';
import { METRICS } from './metric-table.ts';
import { measureProcess } from './process-metrics.ts';

/** Writes docs/operating/metrics.md from the table of all figures. */
export function metricsPage(): string {
  const all: [string, Metric][] = Object.entries(METRICS);
  const sections = Object.entries(PARTS).map(([part, title]) =>
    [
      `## ${title}`,
      '',
      '| name | type | labels | what it counts or measures |',
      '|---|---|---|---|',
      ...all
        .filter(([, metric]) => metric.part === part)
        .map(([name, { type, labels = [], help }]) =>
          row([`\`${name}\``, type, labels.map((label) => `\`${label}\``).join(', '), help]),
        ),
    ].join('\n'),
  );
  const labels = Object.entries(LABELS).map(([label, meaning]) => row([`\`${label}\``, meaning]));
  return `${[
    '<!-- This page is generated: DINF_WRITE_API=1 npm test metrics-page -->',
    '# Figures for Prometheus',
    `All figures that \`DINF_METRICS_PORT\` offers ([monitoring.md](monitoring.md)). No label names an
account, a key, a machine or a job.`,
    ...sections,
    `## Node.js\n\nEvery process also has the usual figures of \`prom-client\`:\n\n${nodeMetrics()
      .map((name) => `- \`${name}\``)
      .join('\n')}`,
    `## Labels\n\n| label | values |\n|---|---|\n${labels.join('\n')}`,
  ].join('\n\n')}\n`;
}

const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;

/** Names of the figures that the library itself measures. */
export function nodeMetrics(): string[] {
  const registry = new Registry();
  measureProcess(registry);
  return registry
    .getMetricsAsArray()
    .map(({ name }) => name)
    .filter((name) => !(name in METRICS))
    .toSorted();
}
