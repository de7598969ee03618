import type { Chip } from './chips.ts';
import type { SimulatedBuild } from './models.ts';

/**
 * How fast a Mac runs a model, computed from its memory bandwidth and its arithmetic. Inference
 * reaches only a share of both in practice.
 */

const GIGA = 1e9;
const BANDWIDTH_SHARE = 0.7;
const COMPUTE_SHARE = 0.5;
const LOAD_GBPS = 2.5;
const USABLE_MEMORY = 0.75;
/** Each further sequence in a batch adds this share of the time for one token to every sequence. */
const BATCH_DERATE = 0.39;

export const fits = ({ memoryGb }: Chip, { weightsGb }: SimulatedBuild): boolean =>
  weightsGb < memoryGb * USABLE_MEMORY;

/** Generated tokens per second of a sequence that runs alone. */
export const decodeTps = ({ bandwidthGbps }: Chip, { weightsGb }: SimulatedBuild): number =>
  (bandwidthGbps * BANDWIDTH_SHARE) / weightsGb;

/**
 * Time for one token with this number of sequences, divided by the time of a sequence that runs
 * alone.
 */
export const slowdown = (sequences: number): number =>
  1 + BATCH_DERATE * Math.max(0, sequences - 1);

export const prefillTps = ({ teraflops }: Chip, { parametersBillion }: SimulatedBuild): number =>
  (teraflops * 1e12 * COMPUTE_SHARE) / (2 * parametersBillion * GIGA);

/** Number of tokens whose keys and values fit into the memory that the weights leave free. */
export const cacheTokens = (
  { memoryGb }: Chip,
  { weightsGb, kvBytesPerToken }: SimulatedBuild,
): number => ((memoryGb * USABLE_MEMORY - weightsGb) * GIGA) / kvBytesPerToken;

export const loadMs = ({ weightsGb }: SimulatedBuild): number =>
  Math.round((1_000 * weightsGb) / LOAD_GBPS);
