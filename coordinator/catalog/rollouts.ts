import { type CatalogModel, type MessageOf, services } from '#bus-schemas';
import { type Bus, BusError } from '#coordinator/bus.ts';
import type { CatalogStore } from './catalog-store.ts';
import type { ModelLife } from './model-life.ts';

type Methods = typeof services.catalog;
type RolledOut = MessageOf<Methods['rollOut']['reply']>;
type Reverted = MessageOf<Methods['revert']['reply']>;

const CALL = { timeoutMs: 5_000 };

export interface RolloutsOptions {
  readonly bus: Pick<Bus, 'call'>;
  readonly store: CatalogStore;
  readonly life: ModelLife;
  readonly onChanged: (revision: number) => void;
}

/** Moves a model to another build and back. The build before stays as an alternative. */
export class Rollouts {
  readonly #options: RolloutsOptions;

  constructor(options: RolloutsOptions) {
    this.#options = options;
  }

  async rollOut({
    id,
    build,
    weights,
    isForced,
  }: MessageOf<Methods['rollOut']['request']>): Promise<RolledOut> {
    const { store, life, onChanged } = this.#options;
    const model = await store.model(id);
    if (model === undefined) return { ok: false, code: 'unknown' };
    if (model.builds[0] === build) return { ok: false, code: 'same_build' };
    if (isUnpinned(model, build, weights)) return { ok: false, code: 'not_pinned' };
    if (!isForced && !(await this.#isServed(build))) return { ok: false, code: 'not_served' };
    const revision = await life.rollOut(id, build, weights);
    if (revision !== undefined) onChanged(revision);
    return this.#changed(id);
  }

  async revert({ id }: MessageOf<Methods['revert']['request']>): Promise<Reverted> {
    const { store, life, onChanged } = this.#options;
    const model = await store.model(id);
    if (model === undefined) return { ok: false, code: 'unknown' };
    const revision = await life.revert(id);
    if (revision === undefined) return { ok: false, code: 'no_previous' };
    onChanged(revision);
    return this.#changed(id);
  }

  async #changed(id: string): Promise<{ ok: true; model: CatalogModel } | Unknown> {
    const model = await this.#options.store.model(id);
    return model === undefined ? { ok: false, code: 'unknown' } : { ok: true, model };
  }

  /** Without an answer of routing the build counts as not served. */
  async #isServed(build: string): Promise<boolean> {
    try {
      const { builds } = await this.#options.bus.call(services.routing.capacity, {}, CALL);
      return builds.some((row) => row.build === build && row.providers > 0);
    } catch (error) {
      if (error instanceof BusError) return false;
      throw error;
    }
  }
}

interface Unknown {
  readonly ok: false;
  readonly code: 'unknown';
}

/**
 * Whether the rollout would drop the check of the files: the present build has a digest in the
 * catalog, and the new one has none. A machine could then serve other weights under the name of the
 * build.
 */
const isUnpinned = (
  { builds: [current = ''], weights: pinned = {} }: CatalogModel,
  build: string,
  weights: string | undefined,
): boolean => pinned[current] !== undefined && (weights ?? pinned[build]) === undefined;
