import { type ChipFigures, chipFigures, type Machine } from '#bus-schemas';

/** Macs as Apple sells them: what decides how fast a model runs on them. */
export interface Chip extends ChipFigures {
  readonly name: string;
  readonly memoryGb: number;
}

/** The name that macOS reports, and the memory of a common Mac with it, in gigabytes. */
const macs = {
  m1: ['Apple M1', 16],
  m2: ['Apple M2', 24],
  'm3-pro': ['Apple M3 Pro', 36],
  'm3-max': ['Apple M3 Max', 64],
  m4: ['Apple M4', 32],
  'm4-pro': ['Apple M4 Pro', 48],
  'm4-max': ['Apple M4 Max', 128],
  'm2-ultra': ['Apple M2 Ultra', 192],
  'm3-ultra': ['Apple M3 Ultra', 512],
} as const satisfies Record<string, readonly [string, number]>;

export type ChipName = keyof typeof macs;
export const chipNames = Object.keys(macs) as ChipName[];

export function chipOf(key: ChipName): Chip {
  const [name, memoryGb] = macs[key];
  const figures = chipFigures(name);
  if (figures === undefined) throw new RangeError(`the table of chips does not have ${name}`);
  return { name, memoryGb, ...figures };
}

/** The machine that says it is one of these. */
export function machineOf({ name, memoryGb, bandwidthGbps }: Chip): Machine {
  return { chip: name, memoryGb, bandwidthGbps, simulated: true };
}
