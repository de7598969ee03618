import { type CatalogModel, encodingOf, TRAITS } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import type { CatalogCache } from '../catalog-cache.ts';
import { minimumChargeOf } from '../core/minimum-charge.ts';
import { deprecationHeaders } from '../core/model-access.ts';
import type { OwnMachines } from '../own-machines.ts';
import { type Api, asTime, LIST, listOf, optional, orNull, strict } from './api.ts';
import { keyOf } from './authenticate.ts';
import { calledModel } from './called-model.ts';
import type { UsableCapacity, UsableModels } from './usable-models.ts';

const Traits = Type.Array(Type.Enum(TRAITS));
const Model = Type.Object({
  id: Type.String(),
  object: Type.Literal('model'),
  type: Type.Literal('model', { description: "Anthropic's name of `object`." }),
  created: Type.Integer({ description: 'Unix time in seconds.' }),
  created_at: Type.String({ description: 'The same time in ISO 8601.' }),
  owned_by: Type.String(),
  display_name: Type.String(),
  alias_of: Type.Union([Type.String(), Type.Null()]),
  context_length: Type.Integer(),
  max_output_length: Type.Integer(),
  max_input_tokens: Type.Integer({ description: "Anthropic's name of `context_length`." }),
  max_tokens: Type.Integer({ description: "Anthropic's name of `max_output_length`." }),
  description: orNull(Type.String()),
  hugging_face_id: orNull(Type.String({ description: 'The repository of the weights.' })),
  minimum_memory_gb: orNull(Type.Integer({ description: 'Memory that a machine needs, in GiB.' })),
  beta: Type.Boolean({ description: 'Only some accounts and keys may use the model.' }),
  deprecation: orNull(
    Type.Object({
      at: Type.String(),
      sunset_at: orNull(Type.String({ description: 'It may be removed from then on.' })),
      replacement: orNull(Type.String({ description: 'The model to use instead.' })),
    }),
  ),
  expiration_date: orNull(
    Type.String({ description: 'The day on which it may be removed (YYYY-MM-DD).' }),
  ),
  features: Traits,
  input_modalities: Type.Array(Type.String()),
  output_modalities: Type.Array(Type.String()),
  pricing: Type.Object({
    prompt: Type.String({ description: 'US dollars per token.' }),
    completion: Type.String(),
    input_cache_read: Type.String(),
    minimum_charge: Type.String({
      description:
        'The minimum charge of a request that delivered a token, in US dollars. A charge is rounded up once, to a millionth of a dollar.',
    }),
  }),
});
export interface ModelsDeps {
  readonly catalog: CatalogCache;
  readonly ownMachines: OwnMachines;
  readonly usable: UsableModels;
  readonly minimumChargeMicroUsd: number;
}

const PER_MILLION = 1_000_000;

/**
 * Routes that list the models, the callers that may use them, and whether a machine can serve them
 * now.
 */
export function addModelsRoutes(
  api: Api,
  { catalog, ownMachines, usable, minimumChargeMicroUsd }: ModelsDeps,
): void {
  const describe = (name: string, model: CatalogModel) =>
    describeModel(name, model, minimumChargeMicroUsd);
  /** The models that everybody may use. */
  const open = async () => (await catalog.all()).filter(([, { betaFor }]) => betaFor === undefined);
  api.route({
    method: 'GET',
    url: '/v1/models',
    group: 'Models',
    access: 'key',
    summary: 'The models that your key may use and that a machine could serve now',
    description:
      'The list includes builds that only your own machines serve: you may call them by their own name without charge. `all=true` adds the models that no machine serves at the moment.',
    query: Type.Object({ all: optional(Type.Boolean()) }, strict),
    reply: listOf(Model),
    handle: async ({ request, query }) => {
      const models = await usable.of(keyOf(request), { all: query.all === true });
      return { object: LIST, data: models.map(([name, model]) => describe(name, model)) };
    },
  });
  api.route({
    ...{
      method: 'GET',
      url: '/v1/models/*',
      group: 'Models',
      access: 'key',
      summary: 'One model, by its id or an alias',
    },
    params: Type.Object({ '*': Type.String() }),
    reply: Model,
    example: { path: '/v1/models/sim-llama-8b' },
    handle: async ({ params: { '*': name }, request, reply }) => {
      const { model } = await calledModel(name, keyOf(request), { catalog, ownMachines });
      reply.headers(deprecationHeaders(model));
      return describe(name, model);
    },
  });
  api.route({
    method: 'GET',
    url: '/v1/models/catalog',
    group: 'Models',
    access: 'public',
    summary: 'All models of the catalog, without those in a beta test',
    reply: listOf(Model),
    handle: async () => ({
      object: LIST,
      data: (await open()).map(([name, model]) => describe(name, model)),
    }),
  });
  const Room = Type.Object({
    id: Type.String(),
    ready: Type.Boolean({ description: 'A request would start at once.' }),
    can_accept: Type.Boolean({
      description: 'The request would start at once, or be queued.',
    }),
    routable_providers: Type.Integer(),
    warm_providers: Type.Integer(),
    active_requests: Type.Integer(),
    free_slots: Type.Integer(),
    token_budget_remaining: Type.Integer(),
    aggregate_tps: Type.Number(),
    queued_requests: Type.Integer({ description: 'The total of all models.' }),
    queue_limit: Type.Integer(),
  });
  api.route({
    method: 'GET',
    url: '/v1/models/capacity',
    group: 'Models',
    access: 'public',
    summary: 'Current capacity of the fleet',
    reply: listOf(Room),
    handle: async () => {
      const now = await usable.capacity();
      return {
        object: LIST,
        data: (await open()).map(([name, model]) => roomFor(name, model, now)),
      };
    },
  });
  api.route({
    method: 'GET',
    url: '/v1/models/openrouter',
    group: 'Models',
    access: 'public',
    summary: 'The models in the format of marketplaces',
    reply: Type.Object({
      data: Type.Array(
        Type.Object({
          ...Model.properties,
          name: Type.String(),
          quantization: Type.String(),
          supported_features: Type.Array(Type.String()),
          is_ready: Type.Boolean(),
        }),
      ),
    }),
    handle: async () => {
      const now = await usable.capacity();
      const models = (await open()).filter(([name, { id }]) => name === id);
      return {
        data: models.map(([name, model]) => ({
          ...describe(name, model),
          name: model.displayName,
          quantization: model.quantizations?.[model.builds[0] ?? ''] ?? 'unknown',
          supported_features: (model.traits ?? []).flatMap((trait) =>
            trait === 'vision' ? [] : [trait],
          ),
          is_ready: roomFor(name, model, now).ready,
        })),
      };
    },
  });
}

/**
 * The price of one token as a decimal number of dollars, without the rounding errors of binary
 * fractions.
 */
const dollars = (microUsdPerMillion: number): string =>
  (microUsdPerMillion / PER_MILLION / PER_MILLION).toFixed(12).replace(/\.?0+$/, '');

function describeModel(name: string, model: CatalogModel, minimumChargeMicroUsd: number) {
  const { traits = [], deprecation } = model;
  return {
    id: name,
    object: 'model' as const,
    type: 'model' as const,
    created: Math.floor(model.createdAt / 1_000),
    created_at: new Date(model.createdAt).toISOString(),
    owned_by: 'd-inference',
    display_name: model.displayName,
    alias_of: name === model.id ? null : model.id,
    context_length: model.contextTokens,
    max_output_length: model.maxOutputTokens,
    max_input_tokens: model.contextTokens,
    max_tokens: model.maxOutputTokens,
    description: model.description ?? null,
    hugging_face_id: model.huggingFaceId ?? null,
    minimum_memory_gb: model.minimumMemoryGb ?? null,
    beta: model.betaFor !== undefined,
    deprecation:
      deprecation === undefined
        ? null
        : {
            at: asTime(deprecation.at),
            sunset_at: deprecation.sunsetAt === undefined ? null : asTime(deprecation.sunsetAt),
            replacement: deprecation.replacement ?? null,
          },
    expiration_date:
      deprecation?.sunsetAt === undefined ? null : asTime(deprecation.sunsetAt).slice(0, 10),
    features: traits,
    input_modalities: traits.includes('vision') ? ['text', 'image'] : ['text'],
    output_modalities: [encodingOf(traits) ?? 'text'],
    pricing: {
      prompt: dollars(model.inputMicroUsdPerMillion),
      completion: dollars(model.outputMicroUsdPerMillion),
      input_cache_read: dollars(model.cacheReadMicroUsdPerMillion),
      minimum_charge: dollars(minimumChargeOf(model, minimumChargeMicroUsd) * PER_MILLION),
    },
  };
}

function roomFor(
  name: string,
  { builds }: CatalogModel,
  { builds: fleet, queued, queueDepth }: UsableCapacity,
) {
  const serving = fleet.filter(({ build }) => builds.includes(build));
  const sum = (pick: (build: UsableCapacity['builds'][number]) => number) =>
    serving.reduce((total, build) => total + pick(build), 0);
  const ready = serving.some(
    ({ warm, freeSlots, freeTokens }) => warm > 0 && freeSlots > 0 && freeTokens > 0,
  );
  const providers = sum((build) => build.providers);
  return {
    id: name,
    ready,
    can_accept: ready || (providers > 0 && queued < queueDepth),
    routable_providers: providers,
    warm_providers: sum(({ warm }) => warm),
    active_requests: sum(({ running }) => running),
    free_slots: sum(({ freeSlots }) => freeSlots),
    token_budget_remaining: sum(({ freeTokens }) => freeTokens),
    aggregate_tps: sum(({ decodeTps }) => decodeTps),
    queued_requests: queued,
    queue_limit: queueDepth,
  };
}
