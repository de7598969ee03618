import type { ApiError } from './errors.ts';

/**
 * The header `Retry-After`. Every other module passes a number of milliseconds; only this one has
 * the waits that no component measured, the limits of a wait, and the form of the header.
 */

/** Name of the header, for code that reads it or passes it on unchanged. */
export const RETRY_AFTER_HEADER = 'retry-after';

/** Wait for each reason for which no component measured a time, in milliseconds. */
export const RETRY_AFTER_MS = {
  /** The cause may pass, and nothing is known about its duration. */
  unstated: 2_000,
  /** A provider refused the order without a time. */
  provider_refused: 1_000,
  /** The first request with the same `Idempotency-Key` still runs. */
  request_running: 1_000,
} as const;

/** Shortest and longest wait that the header demands, in seconds. */
const SHORTEST_S = 1;
const LONGEST_S = 60;
/**
 * Shortest and longest wait for a queue, in milliseconds. A queue may shorten at once when machines
 * join, so its estimate is bounded more tightly than the end of a rate limit's minute.
 */
const SHORTEST_QUEUE_MS = RETRY_AFTER_MS.unstated;
const LONGEST_QUEUE_MS = 30_000;

/** The wait for a queue that is served in about `estimateMs`; undefined if no rate is known. */
export function queueWaitMs(estimateMs: number | undefined): number {
  if (estimateMs === undefined) return RETRY_AFTER_MS.unstated;
  return Math.round(Math.min(LONGEST_QUEUE_MS, Math.max(SHORTEST_QUEUE_MS, estimateMs)));
}

/** The header of an error. An error that no repetition can cure has none. */
export function retryAfterHeader({
  isRetryable,
  retryAfterMs = RETRY_AFTER_MS.unstated,
}: Pick<ApiError, 'isRetryable' | 'retryAfterMs'>): Record<string, string> {
  if (!isRetryable) return {};
  const seconds = Math.min(LONGEST_S, Math.max(SHORTEST_S, Math.ceil(retryAfterMs / 1_000)));
  return { [RETRY_AFTER_HEADER]: String(seconds) };
}
