import type { FastifyInstance } from 'fastify';
import { type CatalogModel, encodingOf, type Trait } from '#bus-schemas';
import { type TSchema, Type } from '#bus-schemas/type.ts';
import { withAnyContentType } from '#http-api/any-content-type.ts';
import { parseJson } from '#http-api/core/json.ts';
import { ollamaChat } from '#http-api/core/surfaces/ollama.ts';
import { ApiError } from '#http-api/errors.ts';
import packageJson from '../../../package.json' with { type: 'json' };
import { type Auth, keyOf } from './authenticate.ts';
import type { UsableModels } from './usable-models.ts';

interface OllamaDeps {
  readonly auth: Auth;
  readonly usable: UsableModels;
}

const Details = Type.Object({
  format: Type.String(),
  family: Type.String(),
  families: Type.Array(Type.String()),
  parameter_size: Type.String(),
  quantization_level: Type.String(),
});
const Tag = Type.Object({
  name: Type.String(),
  model: Type.String(),
  modified_at: Type.String(),
  size: Type.Integer(),
  digest: Type.String(),
  details: Details,
});

/** The routes by which clients of Ollama find models. Answers are in the surfaces of Ollama. */
export function addOllamaRoutes(server: FastifyInstance, { auth, usable }: OllamaDeps): void {
  const route = (summary: string, reply: TSchema, more: object = {}) => ({
    config: { surface: ollamaChat, isForBrowsers: true },
    onRequest: auth.key,
    schema: {
      summary,
      tags: ['Models'],
      security: [{ apiKey: [] }],
      response: { 200: reply },
      ...more,
    } as object,
  });
  server.get(
    '/api/tags',
    route('The models that your key may use (Ollama)', Type.Object({ models: Type.Array(Tag) })),
    async (request) => {
      const models = await usable.of(keyOf(request), { all: false });
      return { models: models.map(([name, model]) => tagOf(name, model)) };
    },
  );
  withAnyContentType(server, (scope) => {
    scope.post(
      '/api/show',
      route(
        'One model (Ollama)',
        Type.Object({
          details: Details,
          model_info: Type.Record(Type.String(), Type.Unknown()),
          capabilities: Type.Array(Type.String()),
        }),
        {
          body: Type.Object({ model: Type.String() }),
          'x-example': { body: { model: 'sim' } },
        },
      ),
      async (request) => {
        const { model: wanted, name } = parseJson(request.body);
        const models = await usable.of(keyOf(request), { all: true });
        const found = models.find(([each]) => each === (wanted ?? name));
        if (found === undefined)
          throw new ApiError('model_not_found', undefined, { param: 'model' });
        return shownOf(found[1]);
      },
    );
  });
  server.get(
    '/api/version',
    route('The version of this network (Ollama)', Type.Object({ version: Type.String() })),
    async () => ({ version: packageJson.version }),
  );
}

const detailsOf = ({ builds, quantizations }: CatalogModel) => ({
  format: 'mlx',
  family: '',
  families: [],
  parameter_size: '',
  quantization_level: quantizations?.[builds[0] ?? ''] ?? 'unknown',
});

/** Weights are on the machines that serve them, so a model has no size or digest here. */
const tagOf = (name: string, model: CatalogModel) => ({
  name,
  model: name,
  modified_at: new Date(model.createdAt).toISOString(),
  size: 0,
  digest: '',
  details: detailsOf(model),
});

/** Ollama's names of the traits. It has none for `rerank`. */
const CAPABILITIES: Readonly<Record<Trait, string>> = {
  tools: 'tools',
  vision: 'vision',
  reasoning: 'thinking',
  embeddings: 'embedding',
  rerank: 'rerank',
};

function shownOf(model: CatalogModel) {
  const traits = model.traits ?? [];
  return {
    details: detailsOf(model),
    model_info: {
      'general.name': model.displayName,
      'general.context_length': model.contextTokens,
    },
    capabilities: [
      ...(encodingOf(traits) === undefined ? ['completion'] : []),
      ...traits.map((trait) => CAPABILITIES[trait]),
    ],
  };
}
