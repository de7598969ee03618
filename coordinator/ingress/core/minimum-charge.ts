import type { CatalogModel } from '#bus-schemas';

/**
 * The minimum charge of a request for this model that delivered a token, in micro-dollars. A model
 * without a price has no minimum charge.
 */
export function minimumChargeOf(
  { inputMicroUsdPerMillion, outputMicroUsdPerMillion }: CatalogModel,
  minimumChargeMicroUsd: number,
): number {
  return inputMicroUsdPerMillion === 0 && outputMicroUsdPerMillion === 0
    ? 0
    : minimumChargeMicroUsd;
}
