import type { ServingDetails } from '#http-api/answer.ts';
import type { SealedServing } from '../mod.ts';

const NOT_MEASURED = { parseUs: 0, routeUs: 0, holdUs: 0, firstContentUs: 0 };

/** The machine of a sealed job, for the headers of its answer. */
export function servingDetailsOf({ offer, receiptSalt }: SealedServing): ServingDetails {
  const { provider, build, level, attempt, evidence } = offer;
  return {
    provider,
    build,
    level,
    attempt,
    choice: undefined,
    receiptSalt,
    simulated: evidence.simulated,
    engine: evidence.engine,
    chip: undefined,
    ...NOT_MEASURED,
  };
}
