import { type CatalogSnapshot, fromHex, isSame } from '#bus-schemas';

/**
 * A public name, a build that may serve it, and the digest of the build's weights; undefined if the
 * operator has pinned none.
 */
export interface LoggedModel {
  readonly name: string;
  readonly build: string;
  readonly weights: Uint8Array | undefined;
}

export interface ModelChange extends LoggedModel {
  readonly active: boolean;
}

/** Lists every public name in the catalog, including aliases, with each of its builds. */
export function modelsIn({
  models,
  aliases = [],
}: Pick<CatalogSnapshot, 'models' | 'aliases'>): LoggedModel[] {
  const buildsOf = new Map(
    models.map(({ id, builds, weights }) => [
      id,
      builds.map((build) => ({ build, weights: weights?.[build] && fromHex(weights[build]) })),
    ]),
  );
  const names = [
    ...models.map(({ id }) => [id, id] as const),
    ...aliases.map(({ alias, model }) => [alias, model] as const),
  ];
  return names.flatMap(([name, model]) =>
    (buildsOf.get(model) ?? []).map(({ build, weights }) => ({
      name,
      build,
      weights: weights || undefined,
    })),
  );
}

/**
 * Lists the entries that the log lacks. Withdrawals come first, so that a reader never sees two
 * active digests of one name and build.
 */
export function changesBetween(
  logged: readonly LoggedModel[],
  wanted: readonly LoggedModel[],
): ModelChange[] {
  const withdrawn = missingFrom(wanted, logged).map((model) => ({ ...model, active: false }));
  const added = missingFrom(logged, wanted).map((model) => ({ ...model, active: true }));
  return [...withdrawn, ...added];
}

function missingFrom(known: readonly LoggedModel[], models: readonly LoggedModel[]): LoggedModel[] {
  const byName = new Map(known.map((model) => [keyOf(model), model]));
  return models.filter((model) => {
    const same = byName.get(keyOf(model));
    return same === undefined || !isSameDigest(same.weights, model.weights);
  });
}

const keyOf = ({ name, build }: LoggedModel): string => JSON.stringify([name, build]);

const isSameDigest = (one: Uint8Array | undefined, other: Uint8Array | undefined): boolean =>
  one === undefined || other === undefined ? one === other : isSame(one, other);
