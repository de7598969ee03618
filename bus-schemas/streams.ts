/**
 * A stream of JetStream. Each domain has a stream of its own, so that many routing decisions cannot
 * push out the ends of jobs, which settlement needs for charging. No stream may match a subject
 * that carries sealed content.
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

/** Returns the name of the stream that stores facts of this subject. */
export function streamOf(subject: string): string | undefined {
  return eventStreams.find(({ subjects }) =>
    subjects.some((pattern) => subject.startsWith(pattern.slice(0, -'>'.length))),
  )?.name;
}

/**
 * Durable consumers: each reads all facts of its filter. Each fact is acknowledged individually.
 * After a crash older facts arrive again behind newer ones, so the acknowledgement "this fact and
 * all before it" would drop facts that were never stored.
 */
export const consumers = {
  settlementJobs: { stream: 'JOBS', name: 'settlement', filter: 'evt.job.ended' },
  telemetryJobs: { stream: 'JOBS', name: 'telemetry-facts', filter: 'evt.job.>' },
  telemetryViolations: { stream: 'TELEMETRY', name: 'telemetry-facts', filter: 'evt.telemetry.>' },
} as const;

/**
 * Consumers of earlier versions. `dinf migrate` removes them, because the way in which a consumer
 * acknowledges cannot be changed.
 */
export const retiredConsumers = [
  { stream: 'JOBS', name: 'telemetry' },
  { stream: 'TELEMETRY', name: 'telemetry' },
] as const;

export type DurableConsumer = (typeof consumers)[keyof typeof consumers];

/**
 * Time in which JetStream drops a repeated message id, in milliseconds. It is longer than any
 * outage of the hub that a publisher bridges.
 */
export const DUPLICATE_WINDOW_MS = 10 * 60_000;
