/** Physical limits of a chip. No report about the speed of a model on this chip can exceed them. */
export interface ChipFigures {
  /** Memory bandwidth, in gigabytes per second. */
  readonly bandwidthGbps: number;
  /** Half-precision arithmetic of the GPU, in teraflops. */
  readonly teraflops: number;
}

/**
 * Apple's chips by the name that macOS reports, each with its largest GPU. The bandwidth comes from
 * Apple's technical specifications of the Macs. The arithmetic is twice the single-precision figure
 * (GPU cores × 128 lanes × 2 operations × clock); for M5 it is four times the figure of M4, as
 * Apple states for its GPU with neural accelerators.
 */
const CHIPS: Readonly<Record<string, ChipFigures>> = {
  'Apple M1': { bandwidthGbps: 68, teraflops: 5.2 },
  'Apple M1 Pro': { bandwidthGbps: 200, teraflops: 10.6 },
  'Apple M1 Max': { bandwidthGbps: 400, teraflops: 21.2 },
  'Apple M1 Ultra': { bandwidthGbps: 800, teraflops: 42.4 },
  'Apple M2': { bandwidthGbps: 100, teraflops: 7.1 },
  'Apple M2 Pro': { bandwidthGbps: 200, teraflops: 13.6 },
  'Apple M2 Max': { bandwidthGbps: 400, teraflops: 27.2 },
  'Apple M2 Ultra': { bandwidthGbps: 800, teraflops: 54.4 },
  'Apple M3': { bandwidthGbps: 100, teraflops: 8.2 },
  'Apple M3 Pro': { bandwidthGbps: 150, teraflops: 12.8 },
  'Apple M3 Max': { bandwidthGbps: 400, teraflops: 28.4 },
  'Apple M3 Ultra': { bandwidthGbps: 819, teraflops: 56.8 },
  'Apple M4': { bandwidthGbps: 120, teraflops: 8.5 },
  'Apple M4 Pro': { bandwidthGbps: 273, teraflops: 18.4 },
  'Apple M4 Max': { bandwidthGbps: 546, teraflops: 34.1 },
  'Apple M5': { bandwidthGbps: 153, teraflops: 34 },
  'Apple M5 Pro': { bandwidthGbps: 307, teraflops: 73.6 },
  'Apple M5 Max': { bandwidthGbps: 614, teraflops: 136.4 },
};

/** Returns the figures of a chip by its name; undefined for a chip that is not in the table. */
export const chipFigures = (name: string): ChipFigures | undefined =>
  Object.hasOwn(CHIPS, name) ? CHIPS[name] : undefined;

/** Stands for every chip that is not in the table. */
const OTHER_CHIP = 'other';

/** The name of a chip of the table, or `other`. */
export const chipKind = (name: string): string =>
  chipFigures(name) === undefined ? OTHER_CHIP : name;

const all = Object.values(CHIPS);
/**
 * The best figure of each kind in the table. A machine can report any name, but no better chip than
 * this.
 */
export const BEST_CHIP: ChipFigures = {
  bandwidthGbps: Math.max(...all.map(({ bandwidthGbps }) => bandwidthGbps)),
  teraflops: Math.max(...all.map(({ teraflops }) => teraflops)),
};
