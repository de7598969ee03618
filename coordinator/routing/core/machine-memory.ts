import { BuildId } from '#bus-schemas';
import { checkerOf } from '#bus-schemas/platform.ts';
import { type Static, Type } from '#bus-schemas/type.ts';

/**
 * The part of a router's knowledge of a machine that outlives the router: its faults, its pace and
 * its measured speeds. All times are durations before or after the moment of storing, in
 * milliseconds, because the clock of one router means nothing to another.
 */

/** A machine cannot list more builds at once. */
export const MAX_STORED_BUILDS = 64;
const MAX_ANSWERS = 8;
/** Bound of stored numbers: far above every real value, and far below an overflow. */
const MOST = 1e9;

const amount = Type.Number({ minimum: 0, maximum: MOST });
const count = Type.Integer({ minimum: 0, maximum: MOST });
/** The logarithm of a ratio. */
const logarithm = Type.Number({ minimum: -50, maximum: 50 });

const storedFaults = Type.Object({
  score: amount,
  /** Since the last fault or refusal. */
  quietMs: amount,
  openings: count,
  /** Rest of the pause in which the machine gets no job. */
  openMs: amount,
  /** Rest of the time for which a trial job keeps others away. */
  trialMs: amount,
  refusals: count,
  /** Rest of the cooling after a refusal. */
  coolMs: amount,
  /** Since the last pause or cooling began; absent in records of older versions. */
  closedMs: Type.Optional(amount),
  /** The fault or refusal that caused it. */
  because: Type.Optional(Type.String({ maxLength: 32 })),
});
export type StoredFaults = Static<typeof storedFaults>;

const storedPace = Type.Object({
  /** Logarithm of the machine's measured delay divided by that of the fleet. */
  logExcess: logarithm,
  /** Logarithm of the fleet's measured delay divided by the delay that its machines claim. */
  fleetLogDelay: logarithm,
  answers: count,
  /** Since the last answer. */
  quietMs: amount,
});
export type StoredPace = Static<typeof storedPace>;

const storedSpeed = Type.Object({
  build: BuildId,
  /** Oldest first. */
  answers: Type.Array(
    Type.Object({
      /** The number of the account: see `MeasuredSpeeds`. */
      by: count,
      tokenMs: amount,
      quietMs: amount,
    }),
    { minItems: 1, maxItems: MAX_ANSWERS },
  ),
});
export type StoredSpeed = Static<typeof storedSpeed>;

const machineMemory = Type.Object({
  faults: Type.Optional(storedFaults),
  pace: Type.Optional(storedPace),
  speeds: Type.Optional(Type.Array(storedSpeed, { maxItems: MAX_STORED_BUILDS })),
});
export type MachineMemory = Static<typeof machineMemory>;

const isMachineMemory = checkerOf(machineMemory);

/** Undefined if the stored value has another form, because another release wrote it. */
export const readMemory = (stored: unknown): MachineMemory | undefined =>
  isMachineMemory.Check(stored) ? stored : undefined;

/** Time and origin of a stored memory. */
export interface StoredAt {
  /** Time of storing, on the clock of this router. */
  readonly at: number;
  readonly now: number;
  /** This router stored it, so it holds nothing that this router has not measured itself. */
  readonly isOwn: boolean;
}
