import type { Pool } from 'pg';
import type { Logger } from 'pino';
import {
  AVAILABILITY_DAYS,
  type Availability,
  MAX_AVAILABILITY_MODELS,
  type MessageOf,
  services,
} from '#bus-schemas';
import { type Bus, BusError } from '#coordinator/bus.ts';
import { readyModels } from '#coordinator/ready-models.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';

/** Checks of the models that everybody may use, and their history by day. */

const CALL = { timeoutMs: 5_000 };
const CHECK_EVERY_MS = 60_000;

const ADD_CHECK = namedStatement('telemetry.add-availability')`
  INSERT INTO daily_availability AS a (day, model, checks, served)
  SELECT ${'day'}::date, c.model, 1, c.served
  FROM unnest(${'models'}::text[], ${'served'}::int[]) AS c(model, served)
  ON CONFLICT (day, model) DO UPDATE
    SET checks = a.checks + 1, served = a.served + excluded.served`;

const FORGET = namedStatement('telemetry.forget-availability')`
  DELETE FROM daily_availability WHERE day < ${'today'}::date - 90`;

/** The models that were checked last come first, if there are more than one message can hold. */
const HISTORY = namedStatement<{ model: string; at: number; checks: number; served: number }>(
  'telemetry.availability',
)`
  WITH recent AS (
    SELECT model FROM daily_availability
    WHERE day > ${'today'}::date - ${'days'}::int AND day <= ${'today'}::date
    GROUP BY model ORDER BY max(day) DESC, model LIMIT ${'models'}
  )
  SELECT model, (extract(epoch FROM day) * 1000)::float8 AS at, checks, served
  FROM daily_availability JOIN recent USING (model)
  WHERE day > ${'today'}::date - ${'days'}::int AND day <= ${'today'}::date
  ORDER BY model, day`;

type Builds = MessageOf<typeof services.routing.capacity.reply>['builds'];

export async function addCheck(
  database: Pool,
  checked: readonly { readonly model: string; readonly serves: boolean }[],
  now: number,
): Promise<void> {
  if (checked.length === 0) return;
  await queryNamed(database, ADD_CHECK, {
    day: dayOf(now),
    models: checked.map(({ model }) => model),
    served: checked.map(({ serves }) => Number(serves)),
  });
}

/** The history of the last 30 days until `now`, in milliseconds since 1970. */
export async function readAvailability(database: Pool, now: number): Promise<Availability> {
  const rows = await queryNamed(database, HISTORY, {
    today: dayOf(now),
    days: AVAILABILITY_DAYS,
    models: MAX_AVAILABILITY_MODELS,
  });
  const byModel = Map.groupBy(rows, ({ model }) => model);
  return {
    models: [...byModel].map(([model, days]) => ({
      model,
      days: days.map(({ at, checks, served }) => ({ at, checks, served })),
    })),
  };
}

export async function forgetAvailability(database: Pool, now: number): Promise<void> {
  await queryNamed(database, FORGET, { today: dayOf(now) });
}

const dayOf = (time: number): string => new Date(time).toISOString().slice(0, 10);

export interface AvailabilityWatchOptions {
  readonly bus: Bus;
  readonly database: Pool;
  readonly log: Logger;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Checks the models once a minute until it is disposed. */
export class AvailabilityWatch implements AsyncDisposable {
  readonly #options: AvailabilityWatchOptions;
  readonly #timer: NodeJS.Timeout;
  #checking: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(options: AvailabilityWatchOptions) {
    this.#options = options;
    this.#timer = setInterval(() => {
      this.#checking = this.#checking.then(() => this.#check());
    }, CHECK_EVERY_MS);
  }

  async #check(): Promise<void> {
    const { bus, database, log, now } = this.#options;
    if (this.#isStopped) return;
    try {
      // If the catalog does not answer either, this process may be the one without a connection.
      const { models } = await bus.call(services.catalog.snapshot, {}, CALL);
      const builds = await readyBuilds(bus);
      const at = now();
      const ready = readyModels(models, { builds, now: at });
      const checked = ready.map(({ model, serves }) => ({ model: model.id, serves }));
      await addCheck(database, checked, at);
    } catch (error) {
      if (!this.#isStopped)
        log.warn(
          { err: error },
          'the availability of models could not be checked; telemetry tries again in a minute',
        );
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#timer);
    await this.#checking;
  }
}

/** No router means that no request can be placed, so no build is ready then. */
async function readyBuilds(bus: Bus): Promise<Builds> {
  try {
    return (await bus.call(services.routing.capacity, {}, CALL)).builds;
  } catch (error) {
    if (error instanceof BusError) return [];
    throw error;
  }
}
