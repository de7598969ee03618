import { cpus, totalmem } from 'node:os';
import { chipFigures, type Machine } from '#bus-schemas';

/**
 * Reported for chips that are not in the table, in GB/s: an Apple chip that is newer than the
 * table, and any other.
 */
const UNKNOWN_APPLE = 100;
const UNKNOWN = 20;
const GIB = 2 ** 30;

export function thisMachine(): Machine {
  const chip = (cpus()[0]?.model.trim() || process.arch).slice(0, 64);
  return {
    chip,
    memoryGb: Math.round((totalmem() / GIB) * 10) / 10,
    bandwidthGbps: bandwidthOf(chip),
    simulated: false,
  };
}

const bandwidthOf = (chip: string): number =>
  chipFigures(chip)?.bandwidthGbps ?? (chip.startsWith('Apple ') ? UNKNOWN_APPLE : UNKNOWN);

/** What models may take: nine tenths of the memory, and never the last two GiB. */
export function memoryForModels(total = totalmem()): number {
  return Math.max(0, Math.min(0.9 * total, total - 2 * GIB));
}
