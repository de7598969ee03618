import type { Machine } from '#bus-schemas';

/** Macs as Apple sells them: what decides how fast a model runs on them. */
export interface Chip {
  readonly name: string;
  readonly memoryGb: number;
  readonly bandwidthGbps: number;
  /** Half precision, of the GPU. */
  readonly teraflops: number;
}

const chips = {
  m1: { name: 'Apple M1', memoryGb: 16, bandwidthGbps: 68, teraflops: 5.2 },
  m2: { name: 'Apple M2', memoryGb: 24, bandwidthGbps: 100, teraflops: 7.1 },
  'm3-pro': { name: 'Apple M3 Pro', memoryGb: 36, bandwidthGbps: 150, teraflops: 12.8 },
  'm3-max': { name: 'Apple M3 Max', memoryGb: 64, bandwidthGbps: 400, teraflops: 28.4 },
  m4: { name: 'Apple M4', memoryGb: 32, bandwidthGbps: 120, teraflops: 8.5 },
  'm4-pro': { name: 'Apple M4 Pro', memoryGb: 48, bandwidthGbps: 273, teraflops: 18.4 },
  'm4-max': { name: 'Apple M4 Max', memoryGb: 128, bandwidthGbps: 546, teraflops: 34.1 },
  'm2-ultra': { name: 'Apple M2 Ultra', memoryGb: 192, bandwidthGbps: 800, teraflops: 54.4 },
  'm3-ultra': { name: 'Apple M3 Ultra', memoryGb: 512, bandwidthGbps: 819, teraflops: 56.8 },
} as const satisfies Record<string, Chip>;

export type ChipName = keyof typeof chips;
export const chipNames = Object.keys(chips) as ChipName[];
export const chipOf = (name: ChipName): Chip => chips[name];

/** The machine that says it is one of these. */
export function machineOf({ name, memoryGb, bandwidthGbps }: Chip): Machine {
  return { chip: name, memoryGb, bandwidthGbps, simulated: true };
}
