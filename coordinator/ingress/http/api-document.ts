import fastifySwagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
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

/**
 * Adds the general part of the OpenAPI document to a server that has no route yet; the routes add
 * their own parts.
 */
export async function documentApi(server: FastifyInstance): Promise<void> {
  await server.register(fastifySwagger, {
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
  });
}
