import type { Conditions, ThermalState } from '#bus-schemas';

/**
 * Penalties for what a machine reports about its computer, as shares of the time that its work is
 * expected to take: 1 counts the work twice. They are at least 0, and a machine without a report has
 * none: a false report can only make a machine less attractive.
 *
 * The shares state how much slower a computer becomes in this state. One that swaps or throttles
 * needs about twice the time; other programs on the processor disturb an engine that computes on the
 * graphics unit less.
 */
export interface Strain {
  readonly memory: number;
  readonly cpu: number;
  readonly heat: number;
  readonly power: number;
  /** The sum of the others. */
  readonly total: number;
}

const FULL_MEMORY = 1;
const FULL_CPU = 0.5;
/** With `critical` the gate `thermal_critical` is closed. */
const HEAT: Readonly<Record<ThermalState, number>> = {
  nominal: 0,
  fair: 0.2,
  serious: 1,
  critical: 1,
};
const LOW_POWER = 1;
/** A small disadvantage: the owner may want the charge for other work. */
const ON_BATTERY = 0.2;

/** Undefined if the machine has no disadvantage. */
export function strainOf(conditions: Conditions | undefined): Strain | undefined {
  if (conditions === undefined) return undefined;
  const { thermal = 'nominal', memoryPressure = 0, cpuLoad = 0, onBattery, lowPower } = conditions;
  const memory = FULL_MEMORY * memoryPressure;
  const cpu = FULL_CPU * cpuLoad;
  const heat = HEAT[thermal];
  const power = lowPower === true ? LOW_POWER : onBattery === true ? ON_BATTERY : 0;
  const total = memory + cpu + heat + power;
  return total === 0 ? undefined : { memory, cpu, heat, power, total };
}
