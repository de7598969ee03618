import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import type { FastifyInstance, RouteOptions } from 'fastify';
import { type ApiDocument, completed } from './complete-document.ts';

/** The groups of routes. */
const TAGS = {
  Inference: 'Routes that run a model, and routes that count tokens for them.',
  Files: 'Files that callers store, encrypted under their API key.',
  Batches: 'Many requests in one file, which run for less money while machines are idle.',
  Models: 'The models, their prices and the capacity for them.',
  Keys: 'API keys and their limits.',
  Money: 'Balance, usage, payments and receipts.',
  Account: 'The account of a person, and its invites and referrals.',
  Machines: 'Machines: how they join, and what their owners can read and change.',
  Sealed: 'Blind mode: requests that only their provider can read.',
  Trust: 'Evidence of the machines, and the transparency log.',
  Operators: 'Routes for operators, which are only on their own listener.',
};

/** The OpenAPI document without the routes. */
const GENERAL: FastifyDynamicSwaggerOptions = {
  transformObject: (document) => {
    if ('swaggerObject' in document) return document.swaggerObject;
    return completed(document.openapiObject as ApiDocument) as typeof document.openapiObject;
  },
  openapi: {
    openapi: '3.1.0',
    info: {
      title: 'd-inference',
      version: '1',
      description:
        'Open models on idle Macs. Amounts are whole millionths of a US dollar. Errors are `{"error": {"message", "type", "code", "param"}}`; a 429 always has a `Retry-After` header.',
      contact: { name: 'The operator of the network' },
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: 'http://127.0.0.1:8080', description: 'npm start' }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    components: {
      securitySchemes: {
        apiKey: {
          type: 'http',
          scheme: 'bearer',
          description: 'An API key: `Authorization: Bearer sk-db-…`, or `x-api-key`.',
        },
        operatorKey: {
          type: 'http',
          scheme: 'bearer',
          description:
            'An operator key, which is valid only at the listener for operators: `Authorization: Bearer op-db-…`.',
        },
        signIn: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: 'The token of a person who signed in (OpenID Connect).',
        },
      },
    },
  },
};

type OpenApiDocument = Exclude<ReturnType<FastifyInstance['swagger']>, string>;

/**
 * Collects the routes of a server that has none yet, and returns a function that makes their OpenAPI document.
 * It is made when it is first asked for, from copies of the routes on a server that never listens: the library
 * for it loads a hundred modules, and few processes are asked.
 */
export function documentApi(server: FastifyInstance): () => Promise<OpenApiDocument> {
  const routes: RouteOptions[] = [];
  server.addHook('onRoute', (route) => void routes.push(route));
  let document: Promise<OpenApiDocument> | undefined;
  return () => {
    document ??= documentOf(routes);
    return document;
  };
}

async function documentOf(routes: readonly RouteOptions[]): Promise<OpenApiDocument> {
  const [{ default: fastify }, { default: swagger }] = await Promise.all([
    import('fastify'),
    import('@fastify/swagger'),
  ]);
  const copy = fastify({ exposeHeadRoutes: false });
  await copy.register(swagger, GENERAL);
  for (const { method, url, schema } of routes)
    if (method !== 'HEAD' && schema !== undefined)
      copy.route({
        method,
        url,
        schema,
        validatorCompiler: () => () => true,
        serializerCompiler: () => JSON.stringify,
        handler: async () => undefined,
      });
  await copy.ready();
  return copy.swagger();
}
