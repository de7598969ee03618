import { type GateName, gates, type Reserve, type RoutingRefusal } from '#bus-schemas';
import type { Choice } from './placement.ts';

/**
 * The reason to refuse a request that no machine can take now; undefined if it may wait. In the
 * grace after the start of a router, machines may be there whose first beat has not arrived yet.
 */
export function refusalFor(
  request: Reserve,
  choice: Choice,
  isGrace: boolean,
): RoutingRefusal | undefined {
  const reasons = (Object.keys(choice.rejected) as GateName[]).filter(
    (reason) => reason !== 'not_wanted',
  );
  if (reasons.length > 0 && reasons.every((reason) => reason === 'context')) return 'too_large';
  if (couldOpenByWaiting(choice)) return undefined;
  return isGrace && request.exclude.length === 0 ? undefined : 'no_provider';
}

/** Whether waiting may help: a provider is there, and is only out of capacity now. */
export const couldOpenByWaiting = ({ rejected }: Choice) =>
  (Object.keys(rejected) as GateName[]).some((gate) => gates[gate].opensByWaiting);

/** The reason for which most machines were rejected. */
export function mostCommonGate({ rejected }: Choice): GateName | undefined {
  const [first] = (Object.entries(rejected) as [GateName, number][]).toSorted(
    ([, one], [, other]) => other - one,
  );
  return first?.[0];
}
