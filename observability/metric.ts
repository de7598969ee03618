/** The part of the program that measures a figure. */
export const PARTS = {
  process: 'Every process',
  coordinator: 'Every process of the coordinator',
  ingress: 'Ingress',
  routing: 'Routing',
  settlement: 'Settlement',
  facts: 'Settlement and telemetry; both report the same figures',
  telemetry: 'Telemetry',
  trust: 'Trust',
  machine: 'Providers and simulated fleets',
} as const;

/** The meaning of each label, and the values that it may have. */
export const LABELS = {
  answer: '`held`, or the reason of the refusal',
  code: 'code of an error, of the fixed list in the program',
  component: 'component of the coordinator',
  consumer: 'durable consumer',
  direction: '`in` or `out`',
  failure: 'reason of a failed attempt, of the fixed list in the program',
  kind: 'kind, of the fixed list in the program',
  method: 'method of a component, or subject of a fact',
  metric: 'name of a figure in this table',
  model: 'name of a model; `other` after the first 1,000 names',
  outcome: 'outcome, of the fixed list in the program',
  result: 'result of a job: `completed`, `cut_short`, `client_gone`, `failed`',
  standing: 'standing of a machine in trust',
  state: 'state, of the fixed list in the program',
  stream: 'stream of JetStream',
  version: 'version of d-inference',
  violation: 'kind of a violation, of the fixed list in the program',
  work: '`read` or `write`',
} as const;

type Label = keyof typeof LABELS;

export interface Metric {
  readonly part: keyof typeof PARTS;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels?: readonly Label[];
  /**
   * Values of the only label for which the counter begins at 0. Without them the first event would
   * make a new time series, in which Prometheus sees no increase.
   */
  readonly begins?: readonly string[];
  /** Upper limits of the buckets of a histogram. */
  readonly buckets?: readonly number[];
}

export type FigureTable = Readonly<Record<`dinf_${string}`, Metric>>;
