import type { CatalogModel, MessageOf, services } from '#bus-schemas';

type Requirements = Required<
  Pick<MessageOf<typeof services.routing.explain.request>, 'weights' | 'priced'>
>;

/**
 * The requirements for machines that serve these models: the digests of the builds, and the listed
 * prices.
 */
export function requirementsOf(models: readonly CatalogModel[]): Requirements {
  const priced = models.map(
    ({ id, builds, inputMicroUsdPerMillion, outputMicroUsdPerMillion }) => ({
      model: id,
      builds,
      list: { inputMicroUsdPerMillion, outputMicroUsdPerMillion },
    }),
  );
  return { weights: Object.assign({}, ...models.map(({ weights }) => weights)), priced };
}
