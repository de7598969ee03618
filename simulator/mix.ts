import { SeededRandom } from '#provider/engine/sampling/random.ts';
import type { Ailment } from './ailment.ts';
import { type ChipName, chipOf } from './chips.ts';
import { type SimulatedBuild, simulatedBuilds } from './models.ts';
import { fits } from './speeds.ts';

/** Number of Macs with each chip among a hundred idle ones; most of them are cheap models. */
const MIX: readonly (readonly [ChipName, number])[] = [
  ['m1', 10],
  ['m2', 12],
  ['m3-pro', 12],
  ['m3-max', 8],
  ['m4', 20],
  ['m4-pro', 18],
  ['m4-max', 14],
  ['m2-ultra', 4],
  ['m3-ultra', 2],
];

/** Draws a chip with enough memory for the build, with the probabilities of `MIX`. */
export function drawChip(random: Pick<SeededRandom, 'next'>, build: SimulatedBuild): ChipName {
  const suitable = MIX.filter(([name]) => fits(chipOf(name), build));
  let left = random.next() * suitable.reduce((sum, [, share]) => sum + share, 0);
  for (const [name, share] of suitable) {
    left -= share;
    if (left < 0) return name;
  }
  return (suitable.at(-1) as readonly [ChipName, number])[0];
}

export interface Mac {
  readonly chip: ChipName;
  readonly ailment?: Ailment;
}

/**
 * Draws a fleet of one chip, or of mixed chips if `chip` is undefined. Each Mac has the ailment
 * with the probability `ailing`. The same seed gives the same fleet.
 */
export function drawMacs({
  count,
  chip,
  seed,
  ailment,
  ailing,
}: {
  count: number;
  chip: ChipName | undefined;
  seed: number;
  ailment: Ailment | undefined;
  /** Share of the Macs that have the ailment, from 0 to 1. */
  ailing: number;
}): Mac[] {
  const random = new SeededRandom(seed);
  return Array.from({ length: count }, () => ({
    chip: chip ?? drawChip(random, simulatedBuilds[0]),
    ...(ailment && random.next() < ailing && { ailment }),
  }));
}
