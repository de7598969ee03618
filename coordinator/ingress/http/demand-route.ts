import { services } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import { LoadingCache } from '#coordinator/loading-cache.ts';
import { type Api, asTime, MicroUsd, orNull } from './api.ts';
import type { StatsDeps } from './stats-route.ts';

/** Everyone may call this route, and the figures are those of a week. */
const CACHED_SECONDS = 600;

const Demand = Type.Object({
  object: Type.Literal('demand'),
  updated_at: Type.String(),
  since: Type.String({ description: 'Jobs that were settled since then count.' }),
  wanted: Type.Array(
    Type.Object({
      model: Type.String(),
      build: Type.String(),
      repository: Type.String(),
      reason: Type.String(),
    }),
    {
      description:
        'Builds that the network wants on more machines: `rollout` replaces an earlier build, and `demand` means that requests exceed the machines.',
    },
  ),
  earned: Type.Array(
    Type.Object({
      model: Type.String(),
      chip: orNull(Type.String({ description: 'Null for all machines together.' })),
      machines: Type.Integer({ description: 'Machines that earned from this model.' }),
      median_micro_usd: MicroUsd,
    }),
    {
      description:
        'Without groups of fewer than three machines or three owners, and rounded to two digits.',
    },
  ),
});

/** What owners look at before they choose models for a machine. */
export function addDemandRoute(api: Api, { catalog, now, clock }: StatsDeps): void {
  const demand = new LoadingCache({
    load: async () => {
      const [{ since, rows }, { builds }, models] = await Promise.all([
        api.ask(services.settlement.modelEarnings, {}),
        api.ask(services.routing.wanted, {}),
        catalog.all(),
      ]);
      const inCatalog = new Set(models.map(([name]) => name));
      return { at: now(), since, builds, rows: rows.filter(({ model }) => inCatalog.has(model)) };
    },
    ttlMs: CACHED_SECONDS * 1_000,
    maximum: 1,
    now: clock,
  });
  api.route({
    method: 'GET',
    url: '/v1/models/demand',
    group: 'Models',
    access: 'public',
    summary: 'Which builds the network wants, and what machines earned from each model',
    description: `For owners who choose models. The amounts are medians over the machines that earned from the model within seven days, by chip. They are at most ${CACHED_SECONDS / 60} minutes old.`,
    reply: Demand,
    handle: async ({ reply }) => {
      const { at, since, builds, rows } = await demand.get('');
      reply.header('cache-control', `public, max-age=${CACHED_SECONDS}`);
      return {
        object: 'demand' as const,
        updated_at: asTime(at),
        since: asTime(since),
        wanted: builds.map(({ model, build, repository, reason }) => ({
          model,
          build,
          repository,
          reason,
        })),
        earned: rows.map(({ model, chip, machines, medianMicroUsd }) => ({
          model,
          chip: chip ?? null,
          machines,
          median_micro_usd: medianMicroUsd,
        })),
      };
    },
  });
}
