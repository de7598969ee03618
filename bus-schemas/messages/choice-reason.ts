import { ProviderId } from '../ids.ts';
import { count, optional } from '../schema-parts.ts';
import { type Static, Type } from '../type.ts';

/** There are fewer gates and terms than this; a newer router may have more than this version. */
const MAX_GATES = 64;
const MAX_TERMS = 16;

/** Parts of a cost in milliseconds, by name (`COST_TERMS`). */
export const CostTerms = Type.Record(
  Type.String({ maxLength: 32 }),
  Type.Number({ minimum: 0, maximum: 1e12 }),
  { maxProperties: MAX_TERMS },
);

/**
 * Why routing chose a machine: numbers only, and no other machine is named. Names of gates and terms
 * are plain text, because a newer router may have more of them.
 */
export const ChoiceReason = Type.Object({
  /** Machines that could have served the job, with the chosen one. */
  able: count,
  /** Number of machines that could not, by the first gate that each one failed. */
  rejected: Type.Record(Type.String({ maxLength: 32 }), count, { maxProperties: MAX_GATES }),
  /** The cost of the chosen machine, by its parts that are not 0. */
  terms: optional(CostTerms),
});
export type ChoiceReason = Static<typeof ChoiceReason>;

/** The last choice that routing made for a job, as it is stored with the job. */
export const RoutedBecause = Type.Object({
  ...ChoiceReason.properties,
  /** The machine that was chosen, if it failed and another one served or none did. */
  first: optional(ProviderId),
  /** Time in the queue of routing, over all reservations of the job, in milliseconds. */
  queuedMs: count,
});
export type RoutedBecause = Static<typeof RoutedBecause>;
