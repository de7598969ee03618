import { defineMessage } from '../codec.ts';
import { BuildId } from '../ids.ts';
import { count, countUpTo, optional } from '../schema-parts.ts';
import { type Static, Type } from '../type.ts';
import { type GateName, gates } from './gates.ts';

/** Reasons why a machine got none of the requests for a build. */
export const MISSED_REASONS = [
  /** No request for the build came. */
  'no_requests',
  /** The model has a build that is preferred to this one, and machines with it were free. */
  'other_build',
  /** The machine could have served, and others were expected to answer sooner. */
  'others_sooner',
  /** The machine was as good as those that were chosen; a random draw decides between equals. */
  'not_drawn',
  ...(Object.keys(gates) as GateName[]),
] as const;
export type MissedReason = (typeof MISSED_REASONS)[number];

/**
 * Parts of the cost by which routing compares machines, in milliseconds: of the expected delay, and
 * of the penalties for the price and for what the machine reports about its computer.
 */
export const COST_TERMS = [
  'load',
  'queue',
  'prompts',
  'prefill',
  'decode',
  'price',
  'memory',
  'cpu',
  'heat',
  'power',
] as const;
export type CostTerm = (typeof COST_TERMS)[number];

/**
 * Names of reasons and terms are plain text here: a provider must also read the report of a newer
 * router, which may have more of them.
 */
const Name = Type.String({ maxLength: 32 });
const ms = Type.Number({ minimum: 0, maximum: 1e9 });

/** For each build of a machine, what became of the requests for it. */
export const DemandOfBuilds = Type.Array(
  Type.Object({
    build: BuildId,
    /** Requests for the build in the whole cell; without those that name their machines. */
    requests: count,
    /** Attempts for which this machine was chosen. */
    chosen: count,
    /** Why the machine got none: one of `MISSED_REASONS`; absent if it was chosen. */
    missed: optional(Name),
    /** With `others_sooner`: the comparison with the machines that were expected to be faster. */
    behind: optional(
      Type.Object({
        /** Number of machines with a free place and a lower expected delay. */
        machines: count,
        /** Term that makes most of the difference to the best machine: one of `COST_TERMS`. */
        term: Name,
        /** Expected delay of the first content, with the penalty for the price. */
        ownMs: ms,
        bestMs: ms,
      }),
    ),
  }),
  { maxItems: 64 },
);
const demandReport = Type.Object({
  /** Time that the report covers, in milliseconds. */
  periodMs: countUpTo(3_600_000),
  builds: DemandOfBuilds,
});
export type DemandReport = Static<typeof demandReport>;
/**
 * Tells a machine once a minute what became of the requests for its builds, so that its owner sees
 * why it earns nothing. It contains nothing about other machines except their number.
 */
export const DemandReport = defineMessage('demand', demandReport);
