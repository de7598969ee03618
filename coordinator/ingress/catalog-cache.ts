import type { Logger } from 'pino';
import {
  CatalogChanged,
  type CatalogModel,
  type CatalogSnapshot,
  events,
  services,
} from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { ApiError } from '#http-api/errors.ts';
import { callUntil } from './call-until.ts';

const REFRESH_MS = 30_000;
const FIRST_LOAD_MS = 3_000;
const TICK_MS = 1_000;

/**
 * The models of the catalog. An event reports each change; a timer reloads them in case an event is
 * lost.
 */
export class CatalogCache implements Disposable {
  readonly #bus: Bus;
  readonly #log: Logger;
  readonly #subscription: { unsubscribe(): void };
  readonly #timer: NodeJS.Timeout;
  /** The models by id and by alias. */
  #models: ReadonlyMap<string, CatalogModel> | undefined;
  #loading: Promise<void> | undefined;
  #changedMeanwhile = false;
  #triedAt = Number.NEGATIVE_INFINITY;

  constructor(bus: Bus, log: Logger) {
    this.#bus = bus;
    this.#log = log;
    this.#subscription = bus.subscribe({
      subject: events.catalogChanged,
      kind: CatalogChanged,
      handle: () => this.#changed(),
    });
    this.#timer = setInterval(() => this.#refresh(), TICK_MS);
    void this.#load();
  }

  get isLoaded(): boolean {
    return this.#models !== undefined;
  }

  /** All ids and aliases, each with its model. */
  async all(): Promise<readonly (readonly [string, CatalogModel])[]> {
    return [...(await this.#loaded())];
  }

  /** The model with this id or alias; undefined if the catalog has none. */
  async model(name: string): Promise<CatalogModel | undefined> {
    return (this.#models ?? (await this.#loaded())).get(name);
  }

  async #loaded(): Promise<ReadonlyMap<string, CatalogModel>> {
    if (this.#models === undefined) await this.#load();
    if (this.#models === undefined) throw new ApiError('service_unavailable');
    return this.#models;
  }

  #refresh(): void {
    if (this.#models === undefined || performance.now() - this.#triedAt >= REFRESH_MS)
      void this.#load();
  }

  /**
   * Loads the catalog again after a load that is in flight, because its snapshot may be older than
   * the change.
   */
  #changed(): void {
    this.#changedMeanwhile = this.#loading !== undefined;
    void this.#load();
  }

  #load(): Promise<void> {
    this.#loading ??= this.#fetch().finally(() => {
      this.#loading = undefined;
      if (this.#changedMeanwhile) this.#changed();
    });
    return this.#loading;
  }

  async #fetch(): Promise<void> {
    this.#triedAt = performance.now();
    let snapshot: CatalogSnapshot;
    try {
      snapshot = await callUntil(
        this.#bus,
        services.catalog.snapshot,
        {},
        { eachMs: 1_000, totalMs: FIRST_LOAD_MS },
      );
    } catch (error) {
      this.#log.warn({ err: error }, 'the catalog could not be read; the last copy stays in use');
      return;
    }
    const models = new Map(snapshot.models.map((model) => [model.id, model]));
    const aliases = (snapshot.aliases ?? []).flatMap(({ alias, model }) =>
      models.has(model) ? [[alias, models.get(model) as CatalogModel] as const] : [],
    );
    this.#models = new Map([...models, ...aliases]);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#subscription.unsubscribe();
  }
}
