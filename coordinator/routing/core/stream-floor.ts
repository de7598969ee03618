/**
 * Least speed of each answer, in tokens per second, from which a machine counts as crowded: about
 * twice as fast as people read.
 */
export const MIN_STREAM_TPS = 15;

/** Each further answer in a batch adds this share of the time for one token to every answer. */
const BATCH_SHARE = 0.39;

export interface StreamSpeeds {
  /** Speed of an answer that runs alone, by the claim of the machine within the limits of its chip. */
  readonly aloneTps: number;
  /** Speed of its fastest recent answer, in whatever batch; undefined if none was measured. */
  readonly measuredTps: number | undefined;
}

/**
 * Number of answers that a machine can generate at once with at least `minTps` tokens per second
 * each; at least one. If its answers were slower than that, the number shrinks in proportion: then
 * the claim was too high, or the machine is slower now.
 */
export function uncrowdedStreams({ aloneTps, measuredTps }: StreamSpeeds, minTps: number): number {
  if (minTps <= 0) return Number.POSITIVE_INFINITY;
  const byClaim = 1 + (aloneTps / minTps - 1) / BATCH_SHARE;
  const isSlower = measuredTps !== undefined && measuredTps < minTps;
  return Math.max(1, Math.floor(isSlower ? (byClaim * measuredTps) / minTps : byClaim));
}
