/** Configured limits of every job, in milliseconds. */
export interface JobTimes {
  /** Time for the first content of a job with an empty prompt. */
  readonly firstContentMs: number;
  readonly jobTimeoutMs: number;
  /** Longest wait in the queue of a router. */
  readonly queuePatienceMs: number;
}

/**
 * Additional time for the first content for each token of the prompt, in milliseconds: a machine
 * that reads its prompt more slowly than that is late.
 */
const READ_TOKEN_MS = 1;
/**
 * While many attempts are late, a job waits for its first content up to this multiple of the normal
 * deadline, which is 1.
 */
const LATE_FACTOR = 4;

/**
 * Time for the first content of a machine that continues an answer, in milliseconds, at least: its
 * client waits in the middle of a sentence.
 */
export const CONTINUATION_MS = 10_000;
/** Longest wait of a continuation in the queue of routing, in milliseconds. */
const CONTINUATION_PATIENCE_MS = 2_000;

export interface Deadlines {
  /**
   * Content must begin by this time. It counts from receipt of the request; a retry does not extend
   * it, the client's time to seal does.
   */
  readonly firstContentBy: number;
  /**
   * Latest time for the first content while so many attempts are late that failover would not help.
   */
  readonly lateUntil: number;
  readonly endBy: number;
}

/** The deadlines of a job that was received at `now`. */
export function deadlinesOf({
  promptTokens,
  times: { firstContentMs, jobTimeoutMs },
  now,
}: {
  promptTokens: number;
  times: JobTimes;
  now: number;
}): Deadlines {
  const contentMs = firstContentMs + promptTokens * READ_TOKEN_MS;
  return {
    firstContentBy: now + contentMs,
    lateUntil: now + Math.min(LATE_FACTOR * contentMs, jobTimeoutMs),
    endBy: now + jobTimeoutMs,
  };
}

/** Time left at `now` for a reservation, its time in a queue included, in whole milliseconds. */
export function timesLeft(
  { firstContentBy, committed }: Pick<Deadlines, 'firstContentBy'> & { committed: boolean },
  { queuePatienceMs }: Pick<JobTimes, 'queuePatienceMs'>,
  now: number,
): { patienceMs: number; firstContentMs: number } {
  if (committed)
    return {
      patienceMs: Math.min(Math.round(queuePatienceMs), CONTINUATION_PATIENCE_MS),
      firstContentMs: CONTINUATION_MS,
    };
  const firstContentMs = Math.max(0, Math.round(firstContentBy - now));
  return { patienceMs: Math.min(Math.round(queuePatienceMs), firstContentMs), firstContentMs };
}
