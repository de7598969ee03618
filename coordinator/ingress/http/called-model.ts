import type { CatalogModel } from '#bus-schemas';
import { ApiError } from '#http-api/errors.ts';
import type { CatalogCache } from '../catalog-cache.ts';
import { mayUse } from '../core/model-access.ts';
import type { KeyCaller } from '../identity/key-cache.ts';
import type { OwnMachines } from '../own-machines.ts';

interface CalledModel {
  readonly model: CatalogModel;
  /** False for a build that only machines of the caller serve. */
  readonly isInCatalog: boolean;
}

/**
 * The model that a caller names: one of the catalog, or a build of the caller's own machines. For a
 * caller who is not in its beta test a model does not exist.
 */
export async function calledModel(
  name: string,
  caller: KeyCaller,
  { catalog, ownMachines }: { readonly catalog: CatalogCache; readonly ownMachines: OwnMachines },
): Promise<CalledModel> {
  const inCatalog = await catalog.model(name);
  const model = inCatalog ?? (await ownMachines.model(caller.account, name));
  if (model === undefined || !mayUse(model, caller))
    throw new ApiError('model_not_found', undefined, { param: 'model' });
  return { model, isInCatalog: inCatalog !== undefined };
}
