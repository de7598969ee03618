import { isSignedReceipt, type JobEnded, type RoutedBecause, type Usage } from '#bus-schemas';
import type { JobCommand, JobState } from './job-state.ts';

/**
 * Times of the events of a job on a monotonic clock, in milliseconds; absent for events that did
 * not happen.
 */
export interface JobMarks {
  readonly startedAt: number;
  routedAt?: number;
  heldAt?: number;
  contentAt?: number;
}

export interface ReportedJob {
  readonly id: string;
  readonly account: string;
  readonly key: string;
  readonly model: { readonly id: string; readonly builds: readonly string[] };
  readonly streamed: boolean;
  readonly isBatchLine: boolean;
  readonly promptBound: number;
}

type ReportedState = Pick<JobState, 'attempts' | 'attempt' | 'deliveredTokens'>;

const MICROSECONDS = 1_000;

/** The time between two marks in microseconds; 0 if one of them is absent. */
export function microsecondsBetween(from: number | undefined, until: number | undefined): number {
  return from === undefined || until === undefined
    ? 0
    : Math.max(0, Math.round((until - from) * MICROSECONDS));
}

/**
 * The event that reports the end of a job. Settlement charges by it, routing releases the slot, and
 * telemetry counts.
 */
export function endedFact(
  {
    job,
    ingress,
    state,
    marks,
    routed,
  }: {
    job: ReportedJob;
    ingress: string;
    state: ReportedState;
    marks: JobMarks;
    routed?: RoutedBecause | undefined;
  },
  end: Extract<JobCommand, { do: 'ended' }>,
  { at, now }: { at: number; now: number },
): JobEnded {
  const { result, served, finish, usage } = end;
  const receiptKey = receiptKeyOf(job.id, end);
  const { startedAt, routedAt, heldAt, contentAt } = marks;
  return {
    job: job.id,
    account: job.account,
    key: job.key,
    ingress,
    model: job.model.id,
    build:
      served?.candidate.build ?? state.attempt?.candidate.build ?? (job.model.builds[0] as string),
    attempts: state.attempts,
    result,
    at,
    streamed: job.streamed,
    ...(job.isBatchLine && { isBatchLine: true }),
    deliveredTokens: state.deliveredTokens,
    promptBound: job.promptBound,
    timing: {
      routeUs: microsecondsBetween(startedAt, routedAt),
      holdUs: microsecondsBetween(routedAt, heldAt),
      totalUs: microsecondsBetween(startedAt, now),
      ...(contentAt !== undefined && { firstContentUs: microsecondsBetween(startedAt, contentAt) }),
    },
    ...(routed && { routed: withoutServing(routed, served?.candidate.provider) }),
    ...(served && { provider: served.candidate.provider }),
    ...(served?.candidate.level && { trustLevel: served.candidate.level }),
    ...(finish && { finish }),
    ...(usage && { usage }),
    ...(receiptKey && { receiptKey }),
  };
}

/** The machine that served is named already. */
function withoutServing(routed: RoutedBecause, provider: string | undefined): RoutedBecause {
  const { first, ...reason } = routed;
  return first === provider ? reason : routed;
}

/** The event for a job that never started, although its money may be set aside. */
export function unstartedFact(job: ReportedJob, ingress: string, at: number): JobEnded {
  const state = { attempts: 0, attempt: undefined, deliveredTokens: 0 };
  const marks = { startedAt: at };
  const end = { do: 'ended', result: 'failed', served: undefined } as const;
  return endedFact({ job, ingress, state, marks }, end, { at, now: at });
}

/**
 * The key that signed the receipt, if the receipt covers exactly this attempt and its reported
 * usage; otherwise undefined. A provider could attach the valid receipt of another job or attempt,
 * which proves nothing about this one.
 */
function receiptKeyOf(
  job: string,
  { served, finish, usage, receipt }: Extract<JobCommand, { do: 'ended' }>,
): Uint8Array | undefined {
  if (served === undefined || usage === undefined || receipt === undefined) return undefined;
  const isOfAttempt =
    receipt.job === job &&
    receipt.attempt === served.number &&
    receipt.build === served.candidate.build;
  return isOfAttempt &&
    receipt.finish === finish &&
    isSameUsage(receipt.usage, usage) &&
    isSignedReceipt(receipt)
    ? receipt.signingKey
    : undefined;
}

const isSameUsage = (one: Usage, other: Usage): boolean =>
  one.promptTokens === other.promptTokens &&
  one.cachedTokens === other.cachedTokens &&
  one.completionTokens === other.completionTokens;

/**
 * Limits the usage that a provider reports to the size of the prompt and to the tokens that
 * arrived: a provider that reports more must not make a client see more than settlement may charge.
 */
export function billable(
  usage: Usage,
  bounds: { promptBound: number; deliveredTokens: number },
): Usage {
  const promptTokens = Math.min(usage.promptTokens, bounds.promptBound);
  const completionTokens = Math.min(usage.completionTokens, bounds.deliveredTokens);
  return {
    promptTokens,
    cachedTokens: Math.min(usage.cachedTokens, promptTokens),
    completionTokens,
    ...(usage.reasoningTokens !== undefined && {
      reasoningTokens: Math.min(usage.reasoningTokens, completionTokens),
    }),
  };
}
