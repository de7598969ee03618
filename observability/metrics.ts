import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Metric } from './metric.ts';
import { METRICS, type MetricName } from './metric-table.ts';

/**
 * Makes the figures of the table. A name or label that is not in the table does not compile.
 */

type Table = typeof METRICS;
type NameOf<Type extends string> = {
  [Name in MetricName]: Table[Name]['type'] extends Type ? Name : never;
}[MetricName];
type LabelOf<Name extends MetricName> = Table[Name] extends { labels: readonly (infer Label)[] }
  ? Label & string
  : never;

export type CounterOf<Name extends NameOf<'counter'>> = Counter<LabelOf<Name>>;

export interface GaugeReading<Label extends string> {
  readonly labels: Readonly<Record<Label, string>>;
  readonly value: number;
}

/**
 * The present value, or one value for each combination of labels. `undefined`: there is none.
 */
type Values<Name extends MetricName> = [LabelOf<Name>] extends [never]
  ? number | undefined
  : readonly GaugeReading<LabelOf<Name>>[];

export function counter<Name extends NameOf<'counter'>>(
  registry: Registry,
  name: Name,
): CounterOf<Name> {
  const metric: Metric = METRICS[name];
  const made = new Counter(configurationOf<LabelOf<Name>>(registry, name));
  const [label] = metric.labels ?? [];
  for (const value of metric.begins ?? [])
    made.inc({ [label as string]: value } as Record<LabelOf<Name>, string>, 0);
  return made;
}

export function histogram<Name extends NameOf<'histogram'>>(
  registry: Registry,
  name: Name,
): Histogram<LabelOf<Name>> {
  return new Histogram({
    ...configurationOf<LabelOf<Name>>(registry, name),
    buckets: [...METRICS[name].buckets],
  });
}

/**
 * A figure that is read at each scrape: a gauge, or a counter that another part of the program
 * keeps. If it cannot be read, for example because Postgres is away, the scrape has all other
 * figures, and `dinf_metrics_failures_total` names this one.
 */
export function measured<Name extends NameOf<'gauge' | 'counter'>>(
  registry: Registry,
  name: Name,
  read: () => Values<Name> | Promise<Values<Name>>,
): void {
  const failures = failuresOf(registry);
  const readings = async (): Promise<readonly GaugeReading<string>[] | undefined> => {
    try {
      const values = await read();
      return typeof values === 'number' ? [{ labels: {}, value: values }] : values;
    } catch {
      failures.inc({ metric: name });
      return undefined;
    }
  };
  const configuration = configurationOf<string>(registry, name);
  if (METRICS[name].type === 'counter')
    new Counter({
      ...configuration,
      async collect() {
        const present = await readings();
        // A counter that falls to 0 for one scrape would look like a restart of the process.
        if (present === undefined) return;
        this.reset();
        for (const { labels, value } of present) this.inc(labels, value);
      },
    });
  else
    new Gauge({
      ...configuration,
      async collect() {
        const present = await readings();
        this.reset();
        // Without labels `reset` leaves the value 0, as if 0 had been measured.
        if (present === undefined) this.remove();
        else for (const { labels, value } of present) this.set(labels, value);
      },
    });
}

function configurationOf<Label extends string>(registry: Registry, name: MetricName) {
  const { help, ...metric } = METRICS[name];
  const labelNames: readonly string[] = 'labels' in metric ? metric.labels : [];
  return { name, help, labelNames: labelNames as readonly Label[], registers: [registry] };
}

function failuresOf(registry: Registry): CounterOf<'dinf_metrics_failures_total'> {
  const name = 'dinf_metrics_failures_total';
  const existing = registry.getSingleMetric(name);
  return existing instanceof Counter ? existing : counter(registry, name);
}
