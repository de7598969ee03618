import type { FastifyInstance } from 'fastify';
import type { CatalogModel } from '#bus-schemas';
import type { CatalogCache } from '../catalog-cache.ts';
import type { KeyCache } from '../key-cache.ts';
import { authenticateWith } from './authenticate.ts';

export function addModelsRoute(server: FastifyInstance, { keys, catalog }: { keys: KeyCache; catalog: CatalogCache }): void {
  const options = { onRequest: authenticateWith(keys) };
  server.get('/v1/models', options, async () => ({ object: 'list', data: (await catalog.all()).map(([name, model]) => describe(name, model)) }));
  server.get<{ Params: { '*': string } }>('/v1/models/*', options, async (request) => describe(request.params['*'], await catalog.model(request.params['*'])));
}

function describe(name: string, model: CatalogModel) {
  return {
    id: name,
    object: 'model',
    created: Math.floor(model.createdAt / 1_000),
    owned_by: 'd-inference',
    display_name: model.displayName,
    context_length: model.contextTokens,
    max_output_tokens: model.maxOutputTokens,
    /** Micro-dollars for a million tokens. */
    pricing: { input: model.inputMicroUsdPerMillion, output: model.outputMicroUsdPerMillion },
  };
}
