const MINUTE_MS = 60_000;
/**
 * Minimum intervals, in milliseconds. Each is made up to twice as long at random, so that machines
 * that reconnect together are not asked together.
 */
const RETRY_MS = [2 * MINUTE_MS, 6 * MINUTE_MS, 15 * MINUTE_MS];

/** Returns the waits after the first, the second, and every later attempt. */
export const retryTimes = (random: () => number): number[] =>
  RETRY_MS.map((least) => Math.round(least * (1 + random())));
