import { cpus, totalmem } from 'node:os';
import { chipFigures, type Machine } from '#bus-schemas';

/** Memory bandwidth that is reported for an Apple chip that is not in the table, in GB/s. */
const UNKNOWN_APPLE = 100;
/** Memory bandwidth that is reported for every other chip that is not in the table, in GB/s. */
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

/** Memory for models, in bytes: at most 90 % of the memory, and 2 GiB are always left free. */
export function memoryForModels(total = totalmem()): number {
  return Math.max(0, Math.min(0.9 * total, total - 2 * GIB));
}
