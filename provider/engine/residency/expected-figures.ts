import type { DecoderModel } from '../../models/model.ts';
import type { Speeds } from '../scheduling/speeds.ts';

/**
 * Figures that a machine announces for a model that it has not loaded since its start. They are
 * low, so that a router rather chooses machines that have measured theirs.
 */

/** Share of the memory's bandwidth that an engine reaches: each token reads the weights once. */
const REACHED = 0.5;
const BYTES_PER_GB = 1e9;
/** Highest expected speed: that of small models does not depend on the bandwidth. */
const MOST_DECODE_TPS = 100;
/** Speed of prompts ÷ speed of answers. */
const PREFILL_FACTOR = 4;
/** Time of the trial after a load, in milliseconds. */
const TRIAL_MS = 500;
/** Speed of a common disk, in bytes per millisecond (1 GB/s). */
const DISK = 1e6;

export function expectedSpeeds({ weightBytes }: DecoderModel, bandwidthGbps: number): Speeds {
  const decodeTps = Math.min(
    MOST_DECODE_TPS,
    (REACHED * bandwidthGbps * BYTES_PER_GB) / Math.max(1, weightBytes),
  );
  return { decodeTps, prefillTps: PREFILL_FACTOR * decodeTps };
}

export const expectedLoadMs = ({ weightBytes }: DecoderModel): number =>
  TRIAL_MS + weightBytes / DISK;
