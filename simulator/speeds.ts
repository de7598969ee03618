import type { Chip } from './chips.ts';
import type { SimulatedBuild } from './models.ts';

/** How fast a Mac runs a model: by its memory's bandwidth and its arithmetic, and what inference reaches of them in practice. */

const GIGA = 1e9;
const BANDWIDTH_SHARE = 0.7;
const COMPUTE_SHARE = 0.5;
const LOAD_GBPS = 2.5;
const USABLE_MEMORY = 0.75;
/** Each further sequence in a batch costs every one this share of its speed. */
const BATCH_DERATE = 0.39;

export const fits = ({ memoryGb }: Chip, { weightsGb }: SimulatedBuild): boolean => weightsGb < memoryGb * USABLE_MEMORY;

/** Tokens in a second, of one sequence alone. */
export const decodeTps = ({ bandwidthGbps }: Chip, { weightsGb }: SimulatedBuild): number => (bandwidthGbps * BANDWIDTH_SHARE) / weightsGb;

/** How much slower each of so many sequences is than one alone. */
export const slowdown = (sequences: number): number => 1 + BATCH_DERATE * Math.max(0, sequences - 1);

export const prefillTps = ({ teraflops }: Chip, { parametersBillion }: SimulatedBuild): number =>
  (teraflops * 1e12 * COMPUTE_SHARE) / (2 * parametersBillion * GIGA);

/** Tokens whose keys and values there is memory for beside the weights. */
export const cacheTokens = ({ memoryGb }: Chip, { weightsGb, kvBytesPerToken }: SimulatedBuild): number =>
  ((memoryGb * USABLE_MEMORY - weightsGb) * GIGA) / kvBytesPerToken;

export const loadMs = ({ weightsGb }: SimulatedBuild): number => Math.round((1_000 * weightsGb) / LOAD_GBPS);
