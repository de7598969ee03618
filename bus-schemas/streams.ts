/**
 * What JetStream keeps. Each domain has a stream of its own, so that a flood of decisions cannot
 * push out the endings of
 * jobs, which money waits for. No stream may ever match a subject that carries sealed content.
 */
export interface EventStream {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly maxAgeHours: number;
  readonly maxBytes: number;
}

const MiB = 1024 * 1024;

export const eventStreams: readonly EventStream[] = [
  { name: 'JOBS', subjects: ['evt.job.>'], maxAgeHours: 24 * 14, maxBytes: 1024 * MiB },
  { name: 'ROUTING', subjects: ['evt.routing.>'], maxAgeHours: 24, maxBytes: 512 * MiB },
  { name: 'SETTLEMENT', subjects: ['evt.settlement.>'], maxAgeHours: 24 * 14, maxBytes: 512 * MiB },
  {
    name: 'STATE',
    subjects: ['evt.trust.>', 'evt.accounts.>', 'evt.catalog.>'],
    maxAgeHours: 24 * 14,
    maxBytes: 128 * MiB,
  },
  { name: 'TELEMETRY', subjects: ['evt.telemetry.>'], maxAgeHours: 24, maxBytes: 128 * MiB },
];

/** The stream that keeps facts of this subject. */
export function streamOf(subject: string): string | undefined {
  return eventStreams.find(({ subjects }) =>
    subjects.some((pattern) => subject.startsWith(pattern.slice(0, -'>'.length))),
  )?.name;
}

/**
 * Durable consumers: who reads which facts to the last one. Each fact is acknowledged by itself:
 * after a crash older facts come again
 * behind newer ones, so that "this one and all before it" would acknowledge facts that were never
 * stored.
 */
export const consumers = {
  settlementJobs: { stream: 'JOBS', name: 'settlement', filter: 'evt.job.ended' },
  telemetryJobs: { stream: 'JOBS', name: 'telemetry-facts', filter: 'evt.job.>' },
  telemetryViolations: { stream: 'TELEMETRY', name: 'telemetry-facts', filter: 'evt.telemetry.>' },
} as const;

/**
 * Consumers of earlier versions, which `dinf migrate` removes: how a consumer acknowledges cannot
 * be changed.
 */
export const retiredConsumers = [
  { stream: 'JOBS', name: 'telemetry' },
  { stream: 'TELEMETRY', name: 'telemetry' },
] as const;

export type DurableConsumer = (typeof consumers)[keyof typeof consumers];

/**
 * How long JetStream remembers a message id to drop repeats: longer than any outage that a
 * publisher bridges.
 */
export const DUPLICATE_WINDOW_MS = 10 * 60_000;
