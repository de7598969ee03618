import { AccountId, BuildId, type CatalogModel, KeyId, ModelName, services } from '#bus-schemas';
import { type Static, Type } from '#bus-schemas/type.ts';
import { ApiError } from '#http-api/errors.ts';
import { catalogRefusals, refusalError } from '#http-api/refusals.ts';
import { asTime, LIST, listOf, MicroUsd, optional, strict, timeOf, When } from '../http/api.ts';
import type { AdminApi } from './admin-api.ts';
import { ByName, Changed, revisionOf } from './catalog-routes.ts';

const Builds = Type.Object({
  model: Type.String(),
  builds: Type.Array(Type.String(), { description: 'The preferred one comes first.' }),
  previous_build: Type.Union([Type.String(), Type.Null()]),
});
const MAX_SHED_SECONDS = 7 * 86_400;

/**
 * Routes for a model over its life: beta test, rollouts, shedding, deprecation. A name may be the id
 * of a model or an alias.
 */
export function addModelLifeRoutes(admin: AdminApi, now: () => number): void {
  admin.change('shed-model', {
    method: 'PUT',
    url: '/admin/sheds/*',
    summary: 'Refuse requests for a model for a time',
    description:
      'Requests get 429 `model_shed` with the reason and `Retry-After`. Requests that run are finished, and owners can use the model on their own machines.',
    params: ByName,
    body: Type.Object(
      {
        seconds: Type.Integer({ minimum: 1, maximum: MAX_SHED_SECONDS }),
        reason: Type.String({
          minLength: 1,
          maxLength: 200,
          description: 'Callers read it in the error.',
        }),
      },
      strict,
    ),
    reply: Changed,
    example: { path: '/admin/sheds/sim-llama-8b', body: { seconds: 60, reason: 'maintenance' } },
    handle: async ({ params, body }) =>
      revisionOf(
        await admin.ask(services.catalog.shed, {
          id: params['*'],
          shed: { until: now() + body.seconds * 1_000, reason: body.reason },
        }),
      ),
  });
  admin.change('unshed-model', {
    method: 'DELETE',
    url: '/admin/sheds/*',
    summary: 'Accept requests for a model again',
    params: ByName,
    reply: Changed,
    example: { path: '/admin/sheds/sim-llama-8b' },
    handle: async ({ params }) =>
      revisionOf(await admin.ask(services.catalog.shed, { id: params['*'] })),
  });
  admin.change('set-beta', {
    method: 'PUT',
    url: '/admin/betas/*',
    summary: 'Restrict a model to some accounts and keys',
    description: 'For other callers the model does not exist.',
    params: ByName,
    body: Type.Object(
      { allowed: Type.Array(Type.Union([AccountId, KeyId]), { maxItems: 256 }) },
      strict,
    ),
    reply: Changed,
    example: {
      path: '/admin/betas/sim-llama-8b',
      body: { allowed: ['acct_0123456789abcdef', 'key_0123456789abcdef'] },
    },
    handle: async ({ params, body }) =>
      revisionOf(
        await admin.ask(services.catalog.setBeta, { id: params['*'], allowed: body.allowed }),
      ),
  });
  admin.change('end-beta', {
    method: 'DELETE',
    url: '/admin/betas/*',
    summary: 'Offer a model to everybody',
    params: ByName,
    reply: Changed,
    example: { path: '/admin/betas/sim-llama-8b' },
    handle: async ({ params }) =>
      revisionOf(await admin.ask(services.catalog.setBeta, { id: params['*'] })),
  });
  addDeprecationRoutes(admin, now);
  addRolloutRoutes(admin);
}

function addDeprecationRoutes(admin: AdminApi, now: () => number): void {
  admin.change('deprecate-model', {
    method: 'PUT',
    url: '/admin/deprecations/*',
    summary: 'Mark a model as deprecated',
    description:
      'Its answers then have the header `Deprecation` and, with `sunset_at`, the header `Sunset`. The list of models has the dates too. Nothing is refused: removing the model is a step of its own.',
    params: ByName,
    body: Type.Object(
      { at: optional(When), sunset_at: optional(When), replacement: optional(ModelName) },
      strict,
    ),
    reply: Changed,
    example: {
      path: '/admin/deprecations/sim-llama-8b',
      body: { sunset_at: '2099-01-31T00:00:00Z', replacement: 'sim-llama-70b' },
    },
    handle: async ({ params, body }) => {
      const at = timeOf(body.at, 'at') ?? now();
      const sunsetAt = timeOf(body.sunset_at, 'sunset_at');
      if (sunsetAt !== undefined && sunsetAt < at)
        throw new ApiError('invalid_request', 'sunset_at must not be before the deprecation.', {
          param: 'sunset_at',
        });
      const deprecation = {
        at,
        ...(sunsetAt !== undefined && { sunsetAt }),
        ...(body.replacement && { replacement: body.replacement }),
      };
      return revisionOf(
        await admin.ask(services.catalog.deprecate, { id: params['*'], deprecation }),
      );
    },
  });
  admin.change('end-deprecation', {
    method: 'DELETE',
    url: '/admin/deprecations/*',
    summary: 'Mark a model as not deprecated',
    params: ByName,
    reply: Changed,
    example: { path: '/admin/deprecations/sim-llama-8b' },
    handle: async ({ params }) =>
      revisionOf(await admin.ask(services.catalog.deprecate, { id: params['*'] })),
  });
}

function addRolloutRoutes(admin: AdminApi): void {
  admin.change('roll-out', {
    method: 'POST',
    url: '/admin/rollouts/*',
    summary: 'Make another build of a model the preferred one',
    description:
      'The build before it stays as an alternative, so that requests are served while machines change over. The rollout is refused (409) if no machine serves the build, unless `force` is true, and if the present build has a digest of its weights and the new one has none.',
    params: ByName,
    body: Type.Object(
      {
        build: BuildId,
        weights: optional(
          Type.String({
            pattern: '^[0-9a-f]{64}$',
            description: 'SHA-256 of the files of the build, as `dinf weights` prints it.',
          }),
        ),
        force: optional(Type.Boolean()),
      },
      strict,
    ),
    reply: Builds,
    example: {
      path: '/admin/rollouts/sim-llama-8b',
      body: { build: 'sim-llama-8b-q8', force: true },
    },
    handle: async ({ params, body: { build, weights, force = false } }) => {
      const answer = await admin.ask(services.catalog.rollOut, {
        id: params['*'],
        build,
        isForced: force,
        ...(weights !== undefined && { weights }),
      });
      if (answer.ok) return buildsOf(answer.model);
      throw refusalError(catalogRefusals.rollOut[answer.code]);
    },
  });
  admin.change('revert', {
    method: 'POST',
    url: '/admin/reverts/*',
    summary: 'Prefer the build before the last rollout again',
    params: ByName,
    reply: Builds,
    example: { path: '/admin/reverts/sim-llama-8b' },
    handle: async ({ params }) => {
      const answer = await admin.ask(services.catalog.revert, { id: params['*'] });
      if (answer.ok) return buildsOf(answer.model);
      throw refusalError(catalogRefusals.revert[answer.code]);
    },
  });
  admin.read({
    url: '/admin/price-history/*',
    summary: 'The prices that a model had, newest first',
    params: ByName,
    reply: listOf(
      Type.Object({
        at: Type.String({ description: 'The price applied from then on.' }),
        input: MicroUsd,
        cache_read: MicroUsd,
        output: MicroUsd,
      }),
    ),
    example: { path: '/admin/price-history/sim-llama-8b' },
    handle: async ({ params }) => {
      const { prices } = await admin.ask(services.catalog.prices, { id: params['*'] });
      return {
        object: LIST,
        data: prices.map(({ at, ...price }) => ({
          at: asTime(at),
          input: price.inputMicroUsdPerMillion,
          cache_read: price.cacheReadMicroUsdPerMillion,
          output: price.outputMicroUsdPerMillion,
        })),
      };
    },
  });
}

const buildsOf = ({ id, builds, previousBuild }: CatalogModel): Static<typeof Builds> => ({
  model: id,
  builds,
  previous_build: previousBuild ?? null,
});
