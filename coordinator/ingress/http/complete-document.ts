import { type TSchema, Type } from '#bus-schemas/type.ts';
import { surfaceOfPath } from '#http-api/unknown-routes.ts';
import { answerSchemas } from './answer-schemas.ts';

/**
 * Adds the parts of the OpenAPI document that follow from the path and method of each route: ids of
 * operations, the callers that it admits, the bodies of errors, the answers of the routes that run a
 * model, and a name for the parameter of a path that ends with `*`. Generators of clients need all of
 * them. Tags and components that no route of the document uses are left out.
 */

export interface ApiDocument {
  readonly components?: { readonly securitySchemes?: Readonly<Record<string, object>> };
  readonly tags?: readonly { readonly name: string }[];
  readonly paths?: Record<string, Record<string, Operation>>;
}

interface Operation {
  readonly parameters?: readonly { readonly name?: string }[];
  readonly responses?: Readonly<Record<string, object>>;
  readonly security?: readonly Readonly<Record<string, unknown>>[];
  readonly tags?: readonly string[];
  readonly description?: string;
}

const ERROR_SCHEMAS: Readonly<Record<string, TSchema>> = {
  Error: Type.Object({
    error: Type.Object({
      message: Type.String(),
      type: Type.String(),
      code: Type.String(),
      param: Type.Union([Type.String(), Type.Null()]),
      reason: Type.Optional(
        Type.String({
          description:
            'Names the message among those of its code, for programs that show it in another language.',
        }),
      ),
    }),
  }),
  AnthropicError: Type.Object({
    type: Type.Literal('error'),
    error: Type.Object({ type: Type.String(), message: Type.String() }),
    request_id: Type.Optional(Type.String()),
  }),
  OAuthError: Type.Object({
    error: Type.String(),
    error_description: Type.Optional(Type.String()),
  }),
  OllamaError: Type.Object({ error: Type.String() }),
};
const CREDENTIALS: Readonly<Record<string, string>> = {
  apiKey: 'an API key',
  signIn: 'a sign-in token',
  operatorKey: "an operator's key",
};
const REST = '{*}';
const REST_NAME = 'name';
/** The routes whose errors have the format of OAuth (RFC 8628). */
const OAUTH_PATHS = ['/v1/device/code', '/v1/device/token'];

export function completed<Document extends ApiDocument>(document: Document): Document {
  const { paths = {}, components, tags = [] } = document;
  const completedPaths = Object.entries(paths).map(([path, operations]) => [
    path.replace(REST, `{${REST_NAME}}`),
    Object.fromEntries(
      Object.entries(operations).map(([method, operation]) => [
        method,
        completedOperation(method, path, operation),
      ]),
    ),
  ]);
  const operations = Object.values(paths).flatMap(Object.values<Operation>);
  const usedTags = new Set(operations.flatMap((operation) => operation.tags ?? []));
  const usedErrors = new Set(Object.keys(paths).map(errorOf));
  const responses = Object.entries(ERROR_SCHEMAS)
    .filter(([name]) => usedErrors.has(name))
    .map(([name, schema]) => [
      name,
      { description: 'The request failed.', content: { 'application/json': { schema } } },
    ]);
  const usedSchemes = new Set(operations.flatMap(schemesOf));
  const schemes = Object.entries(components?.securitySchemes ?? {}).filter(([name]) =>
    usedSchemes.has(name),
  );
  return {
    ...document,
    tags: tags.filter(({ name }) => usedTags.has(name)),
    paths: withWideIntegers(Object.fromEntries(completedPaths)) as object,
    components: {
      ...components,
      securitySchemes: Object.fromEntries(schemes),
      responses: Object.fromEntries(responses),
    },
  };
}

const schemesOf = ({ security = [] }: Operation): string[] => security.flatMap(Object.keys);

/** The callers that an operation admits, as a sentence. */
function credentialsOf(operation: Operation): string {
  const schemes = schemesOf(operation);
  return schemes.length === 0
    ? 'No key is needed.'
    : `With ${schemes.map((scheme) => CREDENTIALS[scheme]).join(', or ')}.`;
}

function completedOperation(method: string, path: string, operation: Operation): object {
  const error = { $ref: `#/components/responses/${errorOf(path)}` };
  const answer = contentOf(path);
  const { description, parameters, security = [] } = operation;
  return {
    operationId: operationId(method, path),
    ...operation,
    description: [credentialsOf(operation), description].filter(Boolean).join(' '),
    security,
    ...(parameters && {
      parameters: parameters.map((parameter) =>
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
  if (OAUTH_PATHS.includes(path)) return 'OAuthError';
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

/**
 * Gives every integer the format `int64`. Generators of clients take 32 bits otherwise, and an amount
 * of 2,148 dollars in micro-dollars exceeds them.
 */
function withWideIntegers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withWideIntegers);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).map(([name, member]) => [
    name,
    name === 'x-example' ? member : withWideIntegers(member),
  ]);
  const isInteger = 'type' in value && value.type === 'integer';
  return { ...Object.fromEntries(members), ...(isInteger && { format: 'int64' }) };
}
