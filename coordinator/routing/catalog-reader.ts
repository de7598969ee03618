import type { Logger } from 'pino';
import { CatalogChanged, type CatalogModel, events, fromHex, services } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import type { FleetModel } from './core/desired-builds.ts';

/** Interval of reads, in milliseconds; it limits how late a change is noticed if its event is lost. */
const READ_INTERVAL_MS = 60_000;
const CALL = { timeoutMs: 5_000 };

export interface CatalogReaderOptions {
  readonly bus: Bus;
  readonly log: Logger;
  readonly onModels: (models: readonly FleetModel[]) => void;
}

/** Reads the models that machines should have: at the start, after each change, and at intervals. */
export class CatalogReader implements Disposable {
  readonly #options: CatalogReaderOptions;
  readonly #subscription: { unsubscribe(): void };
  readonly #timer: NodeJS.Timeout;
  #reading: Promise<void> | undefined;
  #isStale = false;

  constructor(options: CatalogReaderOptions) {
    this.#options = options;
    this.#subscription = options.bus.subscribe({
      subject: events.catalogChanged,
      kind: CatalogChanged,
      handle: () => this.#read(),
    });
    this.#timer = setInterval(() => this.#read(), READ_INTERVAL_MS);
    this.#read();
  }

  #read(): void {
    this.#isStale = this.#reading !== undefined;
    this.#reading ??= this.#readOnce().finally(() => {
      this.#reading = undefined;
      if (this.#isStale) this.#read();
    });
  }

  async #readOnce(): Promise<void> {
    const { bus, log, onModels } = this.#options;
    try {
      const { models } = await bus.call(services.catalog.snapshot, {}, CALL);
      onModels(models.filter(isForAll).map(offeredModel));
    } catch (error) {
      log.info(
        { err: error },
        'the catalogue could not be read; machines are asked for the builds that it had before',
      );
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#subscription.unsubscribe();
  }
}

/** No machine should download a model that few people may use, or that is about to be removed. */
const isForAll = ({ betaFor, deprecation }: CatalogModel): boolean =>
  betaFor === undefined && deprecation === undefined;

const offeredModel = (model: CatalogModel): FleetModel => ({
  id: model.id,
  builds: model.builds,
  previousBuild: model.previousBuild,
  repository: model.huggingFaceId,
  weights: new Map(
    Object.entries(model.weights ?? {}).map(([build, digest]) => [build, fromHex(digest)]),
  ),
  memoryGb: model.minimumMemoryGb,
});
