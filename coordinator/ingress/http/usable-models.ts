import { type CatalogModel, type MessageOf, services } from '#bus-schemas';
import type { CatalogCache } from '../catalog-cache.ts';
import { mayUse } from '../core/model-access.ts';
import type { KeyCaller } from '../identity/key-cache.ts';
import type { OwnMachines } from '../own-machines.ts';
import type { Api } from './api.ts';

export type UsableCapacity = MessageOf<typeof services.routing.capacity.reply>;

interface Deps {
  readonly api: Api;
  readonly catalog: CatalogCache;
  readonly ownMachines: OwnMachines;
  readonly clock: () => number;
}

const CAPACITY_GOOD_MS = 2_000;

/** The models that a caller may use, and the capacity of the fleet for them. */
export class UsableModels {
  readonly #deps: Deps;
  #known: { capacity: UsableCapacity; at: number } | undefined;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  async capacity(): Promise<UsableCapacity> {
    const { api, clock } = this.#deps;
    if (this.#known === undefined || clock() - this.#known.at >= CAPACITY_GOOD_MS)
      this.#known = { capacity: await api.ask(services.routing.capacity, {}), at: clock() };
    return this.#known.capacity;
  }

  /**
   * The models that a key may use, by their names: those of the catalog, and builds that only the
   * owner's machines serve. Without `all`, only those that a machine could serve now.
   */
  async of(
    caller: KeyCaller,
    { all }: { readonly all: boolean },
  ): Promise<(readonly [string, CatalogModel])[]> {
    const { catalog, ownMachines } = this.#deps;
    const { account, allowedModels } = caller;
    const [offered, { builds: served }, own] = await Promise.all([
      catalog.all(),
      this.capacity(),
      ownMachines.models(account),
    ]);
    const inCatalog = new Set(offered.map(([name]) => name));
    const isServed = ({ builds }: CatalogModel) =>
      served.some(({ build, providers }) => providers > 0 && builds.includes(build));
    const listed = offered.filter(([, model]) => mayUse(model, caller) && (all || isServed(model)));
    const ownBuilds = own.flatMap((model) =>
      inCatalog.has(model.id) ? [] : [[model.id, model] as const],
    );
    return [...listed, ...ownBuilds].filter(
      ([name, { id }]) =>
        allowedModels === undefined || allowedModels.includes(name) || allowedModels.includes(id),
    );
  }
}
