import { MACHINE_STATES, type MessageOf, services } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import { LoadingCache } from '#coordinator/loading-cache.ts';
import type { CatalogCache } from '../catalog-cache.ts';
import { type PublicStats, publicStats } from '../core/public-stats.ts';
import { type Api, asTime } from './api.ts';

/** Everyone may call this route, so its work happens at most once in this time. */
const CACHED_SECONDS = 60;

const Volume = { requests: Type.Integer(), tokens: Type.Integer() };
const Spread = Type.Object({ p50: Type.Number(), p95: Type.Number() });
const Stats = Type.Object({
  object: Type.Literal('stats'),
  updated_at: Type.String(),
  last_24_hours: Type.Object(Volume),
  last_30_days: Type.Object(Volume),
  hours: Type.Array(Type.Object({ hour: Type.String(), ...Volume })),
  models: Type.Array(
    Type.Object({
      model: Type.String(),
      last_24_hours: Type.Object(Volume),
      last_30_days: Type.Object(Volume),
      tokens_per_second: Type.Number({
        description: 'Speed of one answer after its first content, over 30 days.',
      }),
      last_day: Type.Union(
        [Type.Object({ first_content_ms: Spread, tokens_per_second: Spread }), Type.Null()],
        {
          description:
            'Of the newest complete answers of 24 hours: the median, and the value that 95 % of them were not worse than. Null for fewer than ten answers.',
        },
      ),
    }),
  ),
  machines: Type.Array(
    Type.Object({
      chip: Type.String(),
      simulated: Type.Boolean(),
      state: Type.Enum(MACHINE_STATES),
      machines: Type.Integer(),
    }),
  ),
});

interface Figures {
  readonly at: number;
  readonly stats: PublicStats;
  readonly machines: MessageOf<typeof services.routing.census.reply>['machines'];
}

export interface StatsDeps {
  readonly catalog: CatalogCache;
  readonly now: () => number;
  readonly clock: () => number;
}

export function addStatsRoute(api: Api, { catalog, now, clock }: StatsDeps): void {
  const figures = new LoadingCache<Figures>({
    load: async () => {
      const at = now();
      const [exact, { machines }, models] = await Promise.all([
        api.ask(services.telemetry.stats, {}),
        api.ask(services.routing.census, {}),
        catalog.all(),
      ]);
      const inCatalog = new Set(models.map(([name]) => name));
      return { at, stats: publicStats(exact, { now: at, inCatalog }), machines };
    },
    ttlMs: CACHED_SECONDS * 1_000,
    maximum: 1,
    now: clock,
  });
  api.route({
    method: 'GET',
    url: '/v1/stats',
    group: 'Models',
    access: 'public',
    summary: 'Requests, tokens, models and machines of the network',
    description: `Counts of the last 30 days by hour (UTC), of all customers together, at most ${CACHED_SECONDS} seconds old. Counts are rounded to two digits, and fewer than ten requests are shown as 0. Hours without a request are left out.`,
    reply: Stats,
    handle: async ({ reply }) => {
      const { at, stats, machines } = await figures.get('');
      reply.header('cache-control', `public, max-age=${CACHED_SECONDS}`);
      return {
        object: 'stats' as const,
        updated_at: asTime(at),
        last_24_hours: stats.last24Hours,
        last_30_days: stats.last30Days,
        hours: stats.hours.map(({ at: hour, ...volume }) => ({ hour: asTime(hour), ...volume })),
        models: stats.models.map((each) => ({
          model: each.model,
          last_24_hours: { requests: each.requests, tokens: each.tokens },
          last_30_days: each.last30Days,
          tokens_per_second: each.tokensPerSecond,
          last_day: each.lastDay
            ? {
                first_content_ms: each.lastDay.firstContentMs,
                tokens_per_second: each.lastDay.tokensPerSecond,
              }
            : null,
        })),
        machines,
      };
    },
  });
}
