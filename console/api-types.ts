/** Writes the types of the routes that the pages call, from the OpenAPI document. */

interface Schema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}

interface Content {
  readonly content?: Readonly<Record<string, { readonly schema?: Schema }>>;
}

interface Operation {
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly schema?: Schema;
  }[];
  readonly requestBody?: Content;
  readonly responses: Readonly<Record<string, Content>>;
}

export interface OpenApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

const JSON_TYPE = 'application/json';
const HEADING = `// This file is generated from the OpenAPI document by console/api-types.test.ts.

`;

interface WantedTypes {
  /** Name of the type that the module exports. */
  readonly name: string;
  /** Routes such as `GET /v1/keys`. */
  readonly routes: readonly string[];
}

/** Returns a TypeScript module with the types of some routes. */
export function routeTypes(document: OpenApiDocument, { name, routes }: WantedTypes): string {
  const types = routes.map((route) => {
    const [method = '', path = ''] = route.split(' ');
    const operation = document.paths[path]?.[method.toLowerCase()];
    if (operation === undefined) throw new Error(`${route} is not in the OpenAPI document`);
    return `  '${route}': ${routeType(operation)};\n`;
  });
  return `${HEADING}export interface ${name} {\n${types.join('')}}\n`;
}

function routeType({ parameters = [], requestBody, responses }: Operation): string {
  const named = (place: string) =>
    objectType(
      parameters
        .filter((parameter) => parameter.in === place)
        .map(({ name, required = false, schema = {} }) => ({ name, required, schema })),
    );
  const answer = responses['200']?.content?.[JSON_TYPE]?.schema;
  const body = requestBody?.content?.[JSON_TYPE]?.schema;
  return `{ path: ${named('path')}; query: ${named('query')}; body: ${body ? typeOf(body) : 'undefined'}; answer: ${answer ? typeOf(answer) : 'unknown'} }`;
}

function typeOf(schema: Schema): string {
  if (schema.const !== undefined) return literal(schema.const);
  if (schema.enum) return schema.enum.map(literal).join(' | ');
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(' | ');
  switch (schema.type) {
    case 'object':
      return schema.properties === undefined
        ? 'Record<string, unknown>'
        : objectType(
            Object.entries(schema.properties).map(([name, property]) => ({
              name,
              schema: property,
              required: schema.required?.includes(name) ?? false,
            })),
          );
    case 'array':
      return `(${typeOf(schema.items ?? {})})[]`;
    case 'integer':
    case 'number':
      return 'number';
    case 'string':
    case 'boolean':
    case 'null':
      return schema.type;
    default:
      return 'unknown';
  }
}

function objectType(
  properties: readonly { name: string; required: boolean; schema: Schema }[],
): string {
  const fields = properties.map(
    ({ name, required, schema }) =>
      `${propertyName(name)}${required ? '' : '?'}: ${typeOf(schema)}`,
  );
  return fields.length === 0 ? 'Record<never, never>' : `{ ${fields.join('; ')} }`;
}

const literal = (value: unknown): string =>
  typeof value === 'string' ? `'${value}'` : JSON.stringify(value);
const propertyName = (name: string): string => (/^\w+$/.test(name) ? name : `'${name}'`);
