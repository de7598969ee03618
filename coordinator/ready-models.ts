import type { CatalogModel, MessageOf, services } from '#bus-schemas';

type Builds = MessageOf<typeof services.routing.capacity.reply>['builds'];

/**
 * Whether a request for each model could be accepted at the time `now`. Models of a beta test are
 * left out: for most people they do not exist.
 */
export function readyModels(
  models: readonly CatalogModel[],
  { builds, now }: { builds: Builds; now: number },
): { model: CatalogModel; serves: boolean }[] {
  const ready = new Set(builds.flatMap(({ build, providers }) => (providers > 0 ? [build] : [])));
  return models
    .filter(({ betaFor }) => betaFor === undefined)
    .map((model) => ({
      model,
      serves:
        (model.shed === undefined || model.shed.until <= now) &&
        model.builds.some((build) => ready.has(build)),
    }));
}
