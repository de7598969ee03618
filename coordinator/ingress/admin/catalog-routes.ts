import {
  HASH_BYTES,
  Hex,
  ModelName,
  type NewModel,
  QUANTIZATIONS,
  services,
  TRAITS,
} from '#bus-schemas';
import { type Static, Type } from '#bus-schemas/type.ts';
import { ApiError } from '#http-api/errors.ts';
import { catalogRefusals, refusalError } from '#http-api/refusals.ts';
import { asTime, LIST, listOf, MicroUsd, optional, orNull, strict } from '../http/api.ts';
import type { AdminApi } from './admin-api.ts';

export const ByName = Type.Object({ '*': ModelName });
const Price = Type.Integer({
  minimum: 0,
  maximum: 1_000_000_000_000,
  description: 'Millionths of a US dollar for a million tokens.',
});
export const Changed = Type.Object({ revision: Type.Integer() });

/** Routes for the models of the catalog. */
export function addCatalogRoutes(admin: AdminApi): void {
  const Model = Type.Object(
    {
      display_name: Type.String({ minLength: 1, maxLength: 120 }),
      context_length: Type.Integer({ minimum: 1, maximum: 10_000_000 }),
      max_output_length: Type.Integer({ minimum: 1, maximum: 10_000_000 }),
      builds: Type.Array(ModelName, {
        minItems: 1,
        maxItems: 8,
        description: 'The selected one comes first.',
      }),
      quantizations: optional(
        Type.Record(ModelName, Type.Enum(QUANTIZATIONS), {
          description: 'The value for each build.',
        }),
      ),
      weights: optional(
        Type.Record(ModelName, Hex(HASH_BYTES), {
          description: 'SHA-256 of the files of each build, as `dinf weights` prints it.',
        }),
      ),
      tokenizer: optional(
        Type.String({
          pattern: '^[0-9a-f]{64}$',
          description: 'SHA-256 of tokenizer.json, as `dinf models set --tokenizer` stores it.',
        }),
      ),
      description: optional(Type.String({ minLength: 1, maxLength: 2_000 })),
      hugging_face_id: optional(
        Type.String({
          minLength: 1,
          maxLength: 128,
          description: 'The repository of the weights.',
        }),
      ),
      minimum_memory_gb: optional(
        Type.Integer({ minimum: 1, maximum: 4_096, description: 'Memory that a machine needs.' }),
      ),
      features: optional(Type.Array(Type.Enum(TRAITS), { maxItems: TRAITS.length })),
      input: optional(Price),
      cache_read: optional(Price),
      output: optional(Price),
    },
    strict,
  );
  addCatalogView(admin);
  admin.change('put-model', {
    ...{
      method: 'PUT',
      url: '/admin/models/*',
      summary: 'Offer a model, or change its builds, limits and prices',
    },
    params: ByName,
    body: Model,
    reply: Changed,
    example: {
      path: '/admin/models/llama-8b',
      body: {
        display_name: 'Llama 8B',
        context_length: 131_072,
        max_output_length: 8_192,
        builds: ['sim-llama-8b-q4'],
        input: 20_000,
        output: 50_000,
      },
    },
    handle: async ({ params, body }) =>
      admin.ask(services.catalog.putModel, { model: modelOf(params['*'], body) }),
  });
  admin.change('drop-model', {
    ...{ method: 'DELETE', url: '/admin/models/*', summary: 'Remove a model from the catalog' },
    params: ByName,
    reply: Changed,
    example: { path: '/admin/models/llama-8b' },
    handle: async ({ params }) =>
      revisionOf(await admin.ask(services.catalog.dropModel, { id: params['*'] })),
  });
  admin.change('put-alias', {
    ...{ method: 'PUT', url: '/admin/aliases/*', summary: 'Give a model another name' },
    params: ByName,
    body: Type.Object({ model: ModelName }, strict),
    reply: Changed,
    example: { path: '/admin/aliases/llama', body: { model: 'sim-llama-8b' } },
    handle: async ({ params, body }) =>
      revisionOf(
        await admin.ask(services.catalog.putAlias, { alias: params['*'], model: body.model }),
      ),
  });
  admin.change('drop-alias', {
    ...{ method: 'DELETE', url: '/admin/aliases/*', summary: 'Remove an alias' },
    params: ByName,
    reply: Changed,
    example: { path: '/admin/aliases/llama' },
    handle: async ({ params }) =>
      revisionOf(await admin.ask(services.catalog.dropAlias, { id: params['*'] })),
  });
}

function modelOf(
  id: string,
  body: {
    display_name: string;
    context_length: number;
    max_output_length: number;
    builds: string[];
    features?: NewModel['traits'];
    quantizations?: NewModel['quantizations'];
    weights?: NewModel['weights'];
    tokenizer?: string;
    description?: string;
    hugging_face_id?: string;
    minimum_memory_gb?: number;
    input?: number;
    cache_read?: number;
    output?: number;
  },
): NewModel {
  if (body.cache_read !== undefined && body.cache_read > (body.input ?? body.cache_read)) {
    throw new ApiError('invalid_request', 'cache_read must not be more than input.', {
      param: 'cache_read',
    });
  }
  return {
    id,
    displayName: body.display_name,
    contextTokens: body.context_length,
    maxOutputTokens: body.max_output_length,
    builds: body.builds,
    createdAt: Date.now(),
    ...(body.features && { traits: body.features }),
    ...(body.quantizations && { quantizations: body.quantizations }),
    ...(body.weights && { weights: body.weights }),
    ...(body.tokenizer && { tokenizer: body.tokenizer }),
    ...(body.description !== undefined && { description: body.description }),
    ...(body.hugging_face_id !== undefined && { huggingFaceId: body.hugging_face_id }),
    ...(body.minimum_memory_gb !== undefined && { minimumMemoryGb: body.minimum_memory_gb }),
    ...(body.input !== undefined && { inputMicroUsdPerMillion: body.input }),
    ...(body.cache_read !== undefined && { cacheReadMicroUsdPerMillion: body.cache_read }),
    ...(body.output !== undefined && { outputMicroUsdPerMillion: body.output }),
  };
}

export function revisionOf(
  answer: { ok: true; revision: number } | { ok: false; code: 'unknown' | 'taken' | 'in_use' },
): Static<typeof Changed> {
  if (answer.ok) return { revision: answer.revision };
  throw refusalError(catalogRefusals.change[answer.code]);
}

/** The catalog as operators see it: also models of beta tests, shed models and their builds. */
function addCatalogView(admin: AdminApi): void {
  admin.read({
    url: '/admin/catalog',
    summary: 'All models and aliases of the catalog, with their state',
    reply: listOf(
      Type.Object({
        id: Type.String(),
        display_name: Type.String(),
        aliases: Type.Array(Type.String()),
        builds: Type.Array(Type.String(), { description: 'The preferred one comes first.' }),
        previous_build: orNull(Type.String()),
        input_micro_usd_per_million: MicroUsd,
        output_micro_usd_per_million: MicroUsd,
        beta: Type.Boolean(),
        deprecated_at: orNull(Type.String()),
        shed: orNull(Type.Object({ until: Type.String(), reason: Type.String() })),
      }),
    ),
    handle: async () => {
      const { models, aliases = [] } = await admin.ask(services.catalog.snapshot, {});
      return {
        object: LIST,
        data: models.map((model) => ({
          id: model.id,
          display_name: model.displayName,
          aliases: aliases.filter((each) => each.model === model.id).map(({ alias }) => alias),
          builds: model.builds,
          previous_build: model.previousBuild ?? null,
          input_micro_usd_per_million: model.inputMicroUsdPerMillion,
          output_micro_usd_per_million: model.outputMicroUsdPerMillion,
          beta: model.betaFor !== undefined,
          deprecated_at: model.deprecation === undefined ? null : asTime(model.deprecation.at),
          shed: model.shed ? { until: asTime(model.shed.until), reason: model.shed.reason } : null,
        })),
      };
    },
  });
}
