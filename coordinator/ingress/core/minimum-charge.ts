import type { CatalogModel } from '#bus-schemas';

/**
 * The least that a request for this model costs which delivered anything, in micro-dollars. A model
 * that costs nothing has no minimum either.
 */
export function minimumChargeOf(
  { inputMicroUsdPerMillion, outputMicroUsdPerMillion }: CatalogModel,
  minimumChargeMicroUsd: number,
): number {
  return inputMicroUsdPerMillion === 0 && outputMicroUsdPerMillion === 0
    ? 0
    : minimumChargeMicroUsd;
}
