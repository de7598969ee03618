/**
 * Generates a value that fits a JSON schema; the same schema always gives the same value. A
 * simulated model answers with it when a request asks for JSON. `pattern` and `format` are ignored.
 */

type Schema = Readonly<Record<string, unknown>>;

const MAX_DEPTH = 8;

export function madeUpJson(schema: Schema): unknown {
  return valueFor(schema, schema, 0);
}

function valueFor(schema: Schema, root: Schema, depth: number): unknown {
  if (depth > MAX_DEPTH) return null;
  if ('const' in schema) return schema['const'];
  if (Array.isArray(schema['enum'])) return schema['enum'][0];
  const choice = [schema['anyOf'], schema['oneOf'], schema['allOf']].find(Array.isArray)?.[0];
  if (choice !== undefined) return valueFor(asSchema(choice), root, depth + 1);
  if (typeof schema['$ref'] === 'string')
    return valueFor(resolve(schema['$ref'], root), root, depth + 1);
  switch (Array.isArray(schema['type']) ? schema['type'][0] : schema['type']) {
    case 'string':
      return 'river'
        .padEnd(Math.min(numberOf(schema['minLength'], 0), 1_000), 's')
        .slice(0, numberOf(schema['maxLength'], 1_000));
    case 'integer':
      return Math.ceil(numberOf(schema['minimum'], Math.min(7, numberOf(schema['maximum'], 7))));
    case 'number':
      return numberOf(schema['minimum'], Math.min(1.5, numberOf(schema['maximum'], 1.5)));
    case 'boolean':
      return true;
    case 'null':
      return null;
    case 'array':
      return Array.from({ length: Math.min(16, numberOf(schema['minItems'], 1)) }, () =>
        valueFor(asSchema(schema['items']), root, depth + 1),
      );
    default:
      return Object.fromEntries(
        Object.entries(asSchema(schema['properties'])).map(([name, property]) => [
          name,
          valueFor(asSchema(property), root, depth + 1),
        ]),
      );
  }
}

function resolve(reference: string, root: Schema): Schema {
  let found: unknown = root;
  for (const step of reference.replace(/^#\/?/, '').split('/').filter(Boolean))
    found = asSchema(found)[step];
  return asSchema(found);
}

function asSchema(value: unknown): Schema {
  return typeof value === 'object' && value !== null ? (value as Schema) : {};
}

function numberOf(value: unknown, fallback: number): number {
  return typeof value === 'number' ? value : fallback;
}
