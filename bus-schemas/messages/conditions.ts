import { countUpTo, optional } from '../schema-parts.ts';
import { type Static, Type } from '../type.ts';

/** How warm a computer is, from cool to so hot that it throttles hard or is about to shut down. */
export const THERMAL_STATES = ['nominal', 'fair', 'serious', 'critical'] as const;
export const ThermalState = Type.Enum(THERMAL_STATES);
export type ThermalState = Static<typeof ThermalState>;

const share = Type.Number({ minimum: 0, maximum: 1 });

/** Maximum of `freeMemoryMb` and of the memory that a slot needs: 4 TB. */
export const MAX_MEMORY_MB = 4_000_000;

/**
 * The state of a provider's computer beside its models. Each part is absent if the computer does
 * not report it. They are claims: receivers use them only against the machine that makes them.
 */
export const Conditions = Type.Object({
  thermal: optional(ThermalState),
  /** Memory that a model which is not in memory could take now, in MB. */
  freeMemoryMb: optional(countUpTo(MAX_MEMORY_MB)),
  /** From 0 (no program waits for memory) to 1 (the memory is almost full). */
  memoryPressure: optional(share),
  /** Share of all processor cores that other programs use. */
  cpuLoad: optional(share),
  onBattery: optional(Type.Boolean()),
  /** A mode of the system that lowers the speed to save power. */
  lowPower: optional(Type.Boolean()),
});
export type Conditions = Static<typeof Conditions>;
