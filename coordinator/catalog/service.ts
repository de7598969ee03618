import { CatalogChanged, events, services } from '#bus-schemas';
import { endpoint } from '#coordinator/bus.ts';
import type { Component } from '#coordinator/component.ts';
import type { Context } from '#coordinator/context.ts';
import { CatalogStore } from './catalog-store.ts';
import { ModelLife } from './model-life.ts';
import { Rollouts } from './rollouts.ts';

/** Starts the catalog: models, their aliases, builds, prices, and where each is in its life. */
export async function startCatalog({ bus, database, config, now }: Context): Promise<Component> {
  const store = new CatalogStore(database, config.defaultPrice);
  const life = new ModelLife(database, config.defaultPrice);
  const changed = (revision: number) =>
    bus.emit(events.catalogChanged, CatalogChanged, { revision, at: now() }, `catalog:${revision}`);
  const rollouts = new Rollouts({ bus, store, life, onChanged: changed });
  const answer = <Code extends string>(revision: number | undefined, code: Code) => {
    if (revision === undefined) return { ok: false as const, code };
    changed(revision);
    return { ok: true as const, revision };
  };
  const face = await bus.serve('catalog', [
    endpoint(services.catalog.snapshot, () => store.snapshot()),
    endpoint(services.catalog.putModel, async ({ model }) => {
      const revision = await store.putModel(model);
      changed(revision);
      return { revision };
    }),
    endpoint(services.catalog.dropModel, async ({ id }) =>
      (await store.hasAliases(id))
        ? { ok: false as const, code: 'in_use' as const }
        : answer(await store.dropModel(id), 'unknown'),
    ),
    endpoint(services.catalog.putAlias, async ({ alias, model }) => {
      const revision = await store.putAlias(alias, model);
      return answer(
        revision,
        revision === undefined && (await store.isModel(alias)) ? 'taken' : 'unknown',
      );
    }),
    endpoint(services.catalog.dropAlias, async ({ id }) =>
      answer(await store.dropAlias(id), 'unknown'),
    ),
    endpoint(services.catalog.shed, async ({ id, shed }) =>
      answer(await life.shed(id, shed), 'unknown'),
    ),
    endpoint(services.catalog.setBeta, async ({ id, allowed }) =>
      answer(await life.setBeta(id, allowed), 'unknown'),
    ),
    endpoint(services.catalog.deprecate, async ({ id, deprecation }) =>
      answer(await life.deprecate(id, deprecation), 'unknown'),
    ),
    endpoint(services.catalog.rollOut, (request) => rollouts.rollOut(request)),
    endpoint(services.catalog.revert, (request) => rollouts.revert(request)),
    endpoint(services.catalog.prices, async ({ id }) => ({ prices: await life.prices(id) })),
  ]);
  return { name: 'catalog', [Symbol.asyncDispose]: () => face[Symbol.asyncDispose]() };
}
