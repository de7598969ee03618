import { type TSchema, Type } from 'typebox';
import { surfaceOfPath } from '#http-api/unknown-routes.ts';
import { answerSchemas } from './answer-schemas.ts';

/**
 * Adds the parts of the OpenAPI document that follow from the path and method of each route: ids of
 * operations, the bodies of errors, the answers of the routes that run a model, and a name for the
 * parameter of a path that ends with `*`. Generators of clients need all of them.
 */

export interface ApiDocument {
  readonly components?: object;
  readonly paths?: Record<string, Record<string, Operation>>;
}

interface Operation {
  readonly parameters?: readonly { readonly name?: string }[];
  readonly responses?: Readonly<Record<string, object>>;
}

const ERROR_SCHEMAS: Readonly<Record<string, TSchema>> = {
  Error: Type.Object({
    error: Type.Object({
      message: Type.String(),
      type: Type.String(),
      code: Type.String(),
      param: Type.Union([Type.String(), Type.Null()]),
    }),
  }),
  AnthropicError: Type.Object({
    type: Type.Literal('error'),
    error: Type.Object({ type: Type.String(), message: Type.String() }),
    request_id: Type.Optional(Type.String()),
  }),
  OAuthError: Type.Object({ error: Type.String() }),
  OllamaError: Type.Object({ error: Type.String() }),
};
const REST = '{*}';
const REST_NAME = 'name';

export function completed<Document extends ApiDocument>(document: Document): Document {
  const paths = Object.entries(document.paths ?? {}).map(([path, operations]) => [
    path.replace(REST, `{${REST_NAME}}`),
    Object.fromEntries(
      Object.entries(operations).map(([method, operation]) => [
        method,
        completedOperation(method, path, operation),
      ]),
    ),
  ]);
  const responses = Object.entries(ERROR_SCHEMAS).map(([name, schema]) => [
    name,
    { description: 'The request failed.', content: { 'application/json': { schema } } },
  ]);
  return {
    ...document,
    paths: Object.fromEntries(paths),
    components: { ...document.components, responses: Object.fromEntries(responses) },
  };
}

function completedOperation(method: string, path: string, operation: Operation): object {
  const error = { $ref: `#/components/responses/${errorOf(path)}` };
  const answer = contentOf(path);
  return {
    operationId: operationId(method, path),
    ...operation,
    ...(operation.parameters && {
      parameters: operation.parameters.map((parameter) =>
        parameter.name === '*' ? { ...parameter, name: REST_NAME } : parameter,
      ),
    }),
    responses: {
      ...operation.responses,
      ...(method === 'post' && answer && { 200: { description: 'The answer.', content: answer } }),
      '4XX': error,
      '5XX': error,
    },
  };
}

/** For example `postChatCompletions` and `getKeysById`. */
function operationId(method: string, path: string): string {
  const words = path
    .replace(/^\/v1\//, '/')
    .replace(REST, `{${REST_NAME}}`)
    .replaceAll('{', 'by-')
    .split(/[^A-Za-z0-9]+/)
    .filter(Boolean);
  return method + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}

function errorOf(path: string): string {
  if (path.startsWith('/api/')) return 'OllamaError';
  if (path.startsWith('/v1/device/')) return 'OAuthError';
  return surfaceOfPath(path)?.path === '/v1/messages' ? 'AnthropicError' : 'Error';
}

function contentOf(path: string): object | undefined {
  const schemas = answerSchemas[path];
  if (schemas === undefined) return undefined;
  const { whole, part } = schemas;
  const type = path.startsWith('/api/') ? 'application/x-ndjson' : 'text/event-stream';
  return {
    'application/json': { schema: whole },
    ...(part && { [type]: { schema: part } }),
  };
}
