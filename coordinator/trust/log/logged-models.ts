import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { CatalogChanged, events, modelEntry, services } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { transaction } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';
import { changesBetween, type LoggedModel, modelsIn } from '../core/model-entries.ts';
import { lockLog, type TransparencyLog } from './transparency-log.ts';

const LOG_MODEL = namedStatement('log.log-model')`
  INSERT INTO logged_models (name, build, weights) VALUES (${'name'}, ${'build'}, ${'weights'})
  ON CONFLICT (name, build) DO UPDATE SET weights = excluded.weights`;

const LOGGED_MODELS = namedStatement<{ name: string; build: string; weights: Buffer | null }>(
  'log.logged-models',
)`
  SELECT name, build, weights FROM logged_models`;

const UNLOG_MODEL = namedStatement('log.unlog-model')`
  DELETE FROM logged_models WHERE name = ${'name'} AND build = ${'build'}`;

/**
 * Interval of comparisons, in milliseconds. It limits how late a catalog change is logged if its
 * event is lost.
 */
const COMPARE_EVERY_MS = 30_000;

export interface LoggedModelsOptions {
  readonly bus: Bus;
  readonly database: Pool;
  readonly transparency: TransparencyLog;
  readonly log: Logger;
}

/**
 * Writes into the log which builds, with which weights, serve each public name. A blind client
 * checks the offered machine against these entries. Without them, a coordinator could order a
 * cheaper model than the client asked for.
 *
 * The catalog decides and trust logs, so the entries follow a change after one round trip. Until
 * then clients refuse the new build.
 */
export class LoggedModels implements AsyncDisposable {
  readonly #options: LoggedModelsOptions;
  readonly #subscription: { unsubscribe(): void };
  readonly #timer: NodeJS.Timeout;
  #comparing: Promise<void> | undefined;
  /** A change arrived after the running comparison had read the catalog. */
  #isStale = false;
  #isStopped = false;

  constructor(options: LoggedModelsOptions) {
    this.#options = options;
    this.#subscription = options.bus.subscribe({
      subject: events.catalogChanged,
      kind: CatalogChanged,
      handle: () => this.#compare(),
    });
    this.#timer = setInterval(() => this.#compare(), COMPARE_EVERY_MS);
    this.#compare();
  }

  #compare(): void {
    if (this.#isStopped) return;
    this.#isStale = this.#comparing !== undefined;
    this.#comparing ??= this.#logChanges().finally(() => {
      this.#comparing = undefined;
      if (this.#isStale) this.#compare();
    });
  }

  async #logChanges(): Promise<void> {
    const { bus, database, transparency, log } = this.#options;
    try {
      const wanted = modelsIn(await bus.call(services.catalog.snapshot, {}, { timeoutMs: 5_000 }));
      await transaction(database, async (client) => {
        await lockLog(client);
        const rows = await queryNamed(client, LOGGED_MODELS, {});
        const logged: LoggedModel[] = rows.map(({ weights, ...row }) => ({
          ...row,
          weights: weights ?? undefined,
        }));
        for (const change of changesBetween(logged, wanted)) {
          const { name, build, weights, active } = change;
          await transparency.append(client, modelEntry(change));
          if (active) await queryNamed(client, LOG_MODEL, { name, build, weights });
          else await queryNamed(client, UNLOG_MODEL, { name, build });
        }
      });
    } catch (error) {
      log.warn(
        { err: error },
        'trust could not compare the catalog with the transparency log; it tries again within 30 s',
      );
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#timer);
    this.#subscription.unsubscribe();
    await this.#comparing;
  }
}
