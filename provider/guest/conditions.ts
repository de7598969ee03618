import type { Conditions, ThermalState } from '#bus-schemas';
import type { PressureLevel } from './memory-pressure.ts';
import type { PowerState } from './power.ts';

/** Readings of the computer, each undefined if the system does not report it. */
export interface Readings {
  readonly thermal: ThermalState | undefined;
  readonly power: PowerState | undefined;
  readonly pressure: PressureLevel | undefined;
  /** Memory that a model which is not in memory could use, in bytes. */
  readonly freeBytes: number | undefined;
  /** Share of all processor cores that other programs use. */
  readonly cpuLoad: number | undefined;
}

const PRESSURE: Readonly<Record<PressureLevel, number>> = { normal: 0, high: 0.5, critical: 1 };
/** Bytes. */
export const MB = 1e6;

/** What the machine announces of its computer. */
export function conditionsOf({
  thermal,
  power,
  pressure,
  freeBytes,
  cpuLoad,
}: Readings): Conditions {
  return {
    ...(thermal !== undefined && { thermal }),
    ...(freeBytes !== undefined && { freeMemoryMb: Math.max(0, Math.floor(freeBytes / MB)) }),
    ...(pressure !== undefined && { memoryPressure: PRESSURE[pressure] }),
    ...(cpuLoad !== undefined && { cpuLoad: Math.round(100 * cpuLoad) / 100 }),
    ...(power !== undefined && {
      onBattery: power.isOnBattery,
      ...(power.savesPower !== undefined && { lowPower: power.savesPower }),
    }),
  };
}
