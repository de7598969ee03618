import { cpus, totalmem } from 'node:os';
import type { Machine } from '#bus-schemas';

/** Memory bandwidth in GB/s of Apple's chips by generation, from plain to Ultra. What no table holds is guessed low. */
const BANDWIDTH: Readonly<Record<string, readonly [number, number, number, number]>> = {
  M1: [68, 200, 400, 800],
  M2: [100, 200, 400, 800],
  M3: [120, 150, 300, 819],
  M4: [120, 273, 410, 819],
  M5: [153, 307, 460, 614],
};
const UNKNOWN_APPLE = 100;
const UNKNOWN = 20;
const TIERS = ['', 'Pro', 'Max', 'Ultra'];
const GIB = 2 ** 30;

export function thisMachine(): Machine {
  const chip = (cpus()[0]?.model.trim() || process.arch).slice(0, 64);
  return { chip, memoryGb: Math.round((totalmem() / GIB) * 10) / 10, bandwidthGbps: bandwidthOf(chip), simulated: false };
}

function bandwidthOf(chip: string): number {
  const [, generation, tier = ''] = /^Apple (M\d+)(?: (Pro|Max|Ultra))?/.exec(chip) ?? [];
  if (generation === undefined) return UNKNOWN;
  return BANDWIDTH[generation]?.[TIERS.indexOf(tier)] ?? UNKNOWN_APPLE;
}

/** What models may take: nine tenths of the memory, and never the last two GiB. */
export function memoryForModels(total = totalmem()): number {
  return Math.max(0, Math.min(0.9 * total, total - 2 * GIB));
}
