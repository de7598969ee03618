import { type CatalogSnapshot, ModelName, services, TRAITS } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import type { Cells } from '#coordinator/cells/cells.ts';
import { requirementsOf } from '#coordinator/model-requirements.ts';
import { ApiError } from '#http-api/errors.ts';
import { asTime, LIST, listOf, optional, orNull, strict } from '../http/api.ts';
import type { AdminApi } from './admin-api.ts';
import type { RecentDecisions } from './recent-decisions.ts';

const Counts = Type.Record(Type.String(), Type.Integer());
const Milliseconds = Type.Record(Type.String(), Type.Number());

export interface RoutingRoutesDeps {
  readonly admin: AdminApi;
  readonly cells: Pick<Cells, 'digests'>;
  readonly decisions: Pick<RecentDecisions, 'list'>;
}

/** Routes that show what routing decides, and why. */
export function addRoutingRoutes({ admin, cells, decisions }: RoutingRoutesDeps): void {
  admin.read({
    url: '/admin/capacity',
    summary: 'The capacity of the fleet by build, the queue, and the cells',
    reply: Type.Object({
      queued: Type.Integer(),
      queue_limit: Type.Integer(),
      builds: Type.Array(
        Type.Object({
          build: Type.String(),
          machines: Type.Integer(),
          warm: Type.Integer(),
          running: Type.Integer(),
          free_slots: Type.Integer(),
          free_tokens: Type.Integer(),
          tokens_per_second: Type.Number(),
        }),
      ),
      cells: Type.Array(
        Type.Object({
          cell: Type.Integer(),
          draining: Type.Boolean(),
          machines: Type.Integer(),
          queued: Type.Integer(),
          free_slots: Type.Integer(),
        }),
      ),
    }),
    handle: async () => {
      const { builds, queued, queueDepth } = await admin.ask(services.routing.capacity, {});
      return {
        queued,
        queue_limit: queueDepth,
        builds: builds.map((build) => ({
          build: build.build,
          machines: build.providers,
          warm: build.warm,
          running: build.running,
          free_slots: build.freeSlots,
          free_tokens: build.freeTokens,
          tokens_per_second: build.decodeTps,
        })),
        cells: cells.digests().map((cell) => ({
          cell: cell.cell,
          draining: cell.draining,
          machines: cell.providers,
          queued: cell.queued,
          free_slots: cell.builds.reduce((sum, { freeSlots }) => sum + freeSlots, 0),
        })),
      };
    },
  });
  admin.read({
    url: '/admin/routing/decisions',
    summary: 'The last decisions of the routers, newest first',
    description:
      'At most 200 since this ingress started, of which each router reports 20 a second. `rejected` counts the machines that could not serve, by the first gate that each one failed.',
    reply: listOf(
      Type.Object({
        at: Type.String(),
        job: Type.String(),
        model: Type.String(),
        outcome: Type.String(),
        provider: orNull(Type.String()),
        build: orNull(Type.String()),
        candidates: Type.Integer(),
        rejected: Counts,
        cost_ms: orNull(Milliseconds),
        queued_ms: Type.Integer(),
      }),
    ),
    handle: async () => ({
      object: LIST,
      data: decisions.list().map((decision) => ({
        at: asTime(decision.at),
        job: decision.job,
        model: decision.model,
        outcome: decision.outcome,
        provider: decision.provider ?? null,
        build: decision.build ?? null,
        candidates: decision.candidates,
        rejected: decision.rejected,
        cost_ms: decision.cost ?? null,
        queued_ms: decision.queuedMs,
      })),
    }),
  });
  addExplainRoute(admin);
}

const MAX_TOKENS = 10_000_000;

function addExplainRoute(admin: AdminApi): void {
  admin.read({
    url: '/admin/routing/explain',
    summary: 'Which machines would serve a request now, and what keeps the others from it',
    query: Type.Object(
      {
        model: optional(ModelName),
        prompt_tokens: optional(Type.Integer({ minimum: 0, maximum: MAX_TOKENS })),
        max_tokens: optional(Type.Integer({ minimum: 1, maximum: MAX_TOKENS })),
        requires: optional(Type.Enum(TRAITS)),
      },
      strict,
    ),
    reply: Type.Object({
      queued: Type.Integer(),
      tally: Counts,
      slots: Type.Array(
        Type.Object({
          provider: Type.String(),
          build: Type.String(),
          chip: Type.String(),
          gate: orNull(Type.String()),
          because: Type.String(),
          load: Type.Integer(),
          max_concurrency: Type.Integer(),
          expected_first_content_ms: Type.Number(),
          cost_ms: orNull(Milliseconds),
        }),
      ),
    }),
    handle: async ({ query }) => {
      const catalog = await admin.ask(services.catalog.snapshot, {});
      const explained = await admin.ask(services.routing.explain, {
        promptTokens: query.prompt_tokens ?? 500,
        maxOutputTokens: query.max_tokens ?? 500,
        ...requirementsOf(catalog.models),
        ...(query.model !== undefined && { builds: buildsOf(query.model, catalog) }),
        ...(query.requires !== undefined && { requires: [query.requires] }),
      });
      return {
        queued: explained.queued,
        tally: explained.tally,
        slots: explained.slots.map((slot) => ({
          provider: slot.provider,
          build: slot.build,
          chip: slot.chip,
          gate: slot.gate ?? null,
          because: slot.because,
          load: slot.load,
          max_concurrency: slot.maxConcurrency,
          expected_first_content_ms: slot.expectedFirstContentMs,
          cost_ms: slot.terms ?? null,
        })),
      };
    },
  });
}

function buildsOf(name: string, { models, aliases = [] }: CatalogSnapshot): string[] {
  const id = aliases.find(({ alias }) => alias === name)?.model ?? name;
  const model = models.find((candidate) => candidate.id === id);
  if (model === undefined)
    throw new ApiError('not_found', `There is no model ${name}.`, { param: 'model' });
  return model.builds;
}
