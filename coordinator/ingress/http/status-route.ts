import { AVAILABILITY_DAYS, type Availability, services } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import type { Bus } from '#coordinator/bus.ts';
import { LoadingCache } from '#coordinator/loading-cache.ts';
import { readyModels } from '#coordinator/ready-models.ts';
import { answerIfAny } from '../call-until.ts';
import { type Api, asTime, orNull } from './api.ts';
import type { StatsDeps } from './stats-route.ts';
import type { UsableModels } from './usable-models.ts';

/** Everyone may call this route, so its work happens at most once in this time. */
const CACHED_SECONDS = 60;
const HISTORY_CALL = { eachMs: 2_000, totalMs: 4_000 };

const Day = Type.Object({
  day: Type.String({ description: 'A day in UTC (YYYY-MM-DD).' }),
  checks: Type.Integer(),
  served: Type.Integer({ description: 'Checks at which a machine was ready for the model.' }),
});
const Status = Type.Object({
  object: Type.Literal('status'),
  updated_at: Type.String(),
  models: Type.Array(
    Type.Object({
      model: Type.String(),
      display_name: Type.String(),
      serves: Type.Boolean({ description: 'A machine is ready for the model now.' }),
      days: orNull(
        Type.Array(Day, {
          description: 'The oldest day comes first, and days without a check are left out.',
        }),
      ),
    }),
  ),
});

interface StatusDeps extends StatsDeps {
  readonly bus: Bus;
  readonly usable: UsableModels;
}

export function addStatusRoute(api: Api, { bus, catalog, usable, now, clock }: StatusDeps): void {
  const status = new LoadingCache({
    load: async () => {
      const [models, { builds }, history] = await Promise.all([
        catalog.all(),
        usable.capacity(),
        answerIfAny(bus, services.telemetry.availability, {}, HISTORY_CALL),
      ]);
      const at = now();
      const named = models.flatMap(([name, model]) => (name === model.id ? [model] : []));
      return {
        at,
        models: readyModels(named, { builds, now: at }).map(({ model, serves }) => ({
          model: model.id,
          display_name: model.displayName,
          serves,
          days: history === undefined ? null : daysOf(history, model.id),
        })),
      };
    },
    ttlMs: CACHED_SECONDS * 1_000,
    maximum: 1,
    now: clock,
  });
  api.route({
    method: 'GET',
    url: '/v1/status',
    group: 'Models',
    access: 'public',
    summary: 'Which models can be served now, and how often they could be',
    description: `Each model is checked once a minute. The answer has the checks of the last ${AVAILABILITY_DAYS} days by day (UTC), and is at most ${CACHED_SECONDS} seconds old. \`days\` is null while the history cannot be read.`,
    reply: Status,
    handle: async ({ reply }) => {
      const { at, models } = await status.get('');
      reply.header('cache-control', `public, max-age=${CACHED_SECONDS}`);
      return { object: 'status' as const, updated_at: asTime(at), models };
    },
  });
}

const daysOf = ({ models }: Availability, name: string) =>
  (models.find(({ model }) => model === name)?.days ?? []).map(({ at, checks, served }) => ({
    day: asTime(at).slice(0, 10),
    checks,
    served,
  }));
