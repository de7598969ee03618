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

export interface MemoryLimits {
  /** Memory of the machine, in bytes. */
  readonly total: number;
  /** Limit of the control group in which this program runs, in bytes; undefined without a limit. */
  readonly limit: number | undefined;
}

/** Memory in a control group for this program itself, in bytes. */
const OWN_BYTES = 256 * 2 ** 20;

/**
 * Memory for models, in bytes: `share` of at most 90 % of the memory, of which 2 GiB are always left
 * free. The system runs outside of a control group, so there only this program needs room beside the
 * models.
 */
export function memoryForModels(share = 1, { total, limit } = memoryLimits()): number {
  const ofMachine = Math.min(0.9 * total, total - 2 * GIB);
  const ofGroup = limit === undefined ? ofMachine : 0.9 * limit - OWN_BYTES;
  return Math.floor(share * Math.max(0, Math.min(ofMachine, ofGroup)));
}

function memoryLimits(): MemoryLimits {
  const total = totalmem();
  // Node reports 0, or more than the machine has, if there is no limit.
  const limit = process.constrainedMemory();
  return { total, limit: limit > 0 && limit < total ? limit : undefined };
}
