const MINUTE_MS = 60_000;
/**
 * Each is up to twice as long by chance: machines that came back together are not asked for
 * together.
 */
const RETRY_MS = [2 * MINUTE_MS, 6 * MINUTE_MS, 15 * MINUTE_MS];

/** How long after the first, the second and every later attempt the next one is. */
export const retryTimes = (random: () => number): number[] =>
  RETRY_MS.map((least) => Math.round(least * (1 + random())));
