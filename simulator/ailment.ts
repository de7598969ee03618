import type { Conditions, Refusal } from '#bus-schemas';

/**
 * A defect that a simulated machine shows. A simulated engine on the bus and a virtual Mac in
 * `dinf replay` implement the same ailments.
 */
export interface Ailment {
  /**
   * The machine refuses every job at once with this reason, although it announces free capacity.
   */
  readonly refuses?: Refusal;
  /** Delay before the first token of every answer, in milliseconds. */
  readonly lateMs?: number;
  /** The machine accepts jobs and never sends a token. */
  readonly stalls?: boolean;
  /** The machine goes on with a job after it was cancelled. */
  readonly ignoresCancels?: boolean;
  /** The machine announces its real speed multiplied by this factor. */
  readonly boasts?: number;
  /**
   * After `afterMs` milliseconds of work the machine runs at the share `to` of its speed, until it
   * has rested for as long. It goes on to announce its full speed, and reports its temperature.
   */
  readonly throttles?: { readonly afterMs: number; readonly to: number };
  /** Share of its speed at which the machine runs, although it announces its full speed. */
  readonly speed?: number;
  /** What the machine reports about its computer, beside its temperature. */
  readonly conditions?: Conditions;
  /**
   * Share of the memory for keys and values that is left, because another program took the rest.
   */
  readonly roomShare?: number;
}

/** The ailments by their names on the command line (`dinf simulate --ailment`). */
export const ailments = {
  'black-hole': { refuses: 'queue_full' },
  late: { lateMs: 6_000 },
  stalls: { stalls: true },
  deaf: { ignoresCancels: true },
  boaster: { boasts: 10 },
  hot: { throttles: { afterMs: 60_000, to: 0.5 } },
  squeezed: { roomShare: 0.05, conditions: { memoryPressure: 0.5 } },
  saving: { speed: 0.5, conditions: { onBattery: true, lowPower: true } },
  disturbed: { speed: 0.7, conditions: { cpuLoad: 0.9, memoryPressure: 0.2 } },
} as const satisfies Record<string, Ailment>;

export type AilmentName = keyof typeof ailments;
export const ailmentNames = Object.keys(ailments) as AilmentName[];
