/**
 * Builds JSON schemas with the types of TypeBox, without loading it: its builders are 370 modules, which
 * every process would read at its start (docs/decisions/0217-a-start-loads-what-it-uses.md).
 *
 * A schema is the same object as TypeBox makes, with the same hidden properties, so that its checks accept
 * it. `type.test.ts` compares the two.
 */
import type { TEnumValue, TProperties, TSchema, Type as TypeBox } from 'typebox';

export type { Static, TObject, TProperties, TSchema } from 'typebox';

type Builders = Pick<
  typeof TypeBox,
  | 'Array'
  | 'Boolean'
  | 'Enum'
  | 'Integer'
  | 'IsNull'
  | 'IsOptional'
  | 'IsUnion'
  | 'IsUnknown'
  | 'Literal'
  | 'Null'
  | 'Number'
  | 'Object'
  | 'Optional'
  | 'Record'
  | 'Refine'
  | 'String'
  | 'Tuple'
  | 'Union'
  | 'Unknown'
  | 'Unsafe'
>;

type Fields = Readonly<Record<string, unknown>>;

/** Adds fields that JSON does not show. */
function withHidden(schema: object, hidden: Fields): object {
  for (const [name, value] of Object.entries(hidden))
    Object.defineProperty(schema, name, {
      configurable: true,
      writable: true,
      enumerable: false,
      value,
    });
  return schema;
}

const schemaOf = (kind: string, fields: Fields, options?: Fields): object =>
  withHidden({ ...fields, ...options }, { '~kind': kind });

/** A copy of a schema with further hidden fields; its own hidden fields stay. */
const copyWith = (schema: object, hidden: Fields): object =>
  withHidden(Object.defineProperties({}, Object.getOwnPropertyDescriptors(schema)), hidden);

const isOptional = (schema: object): boolean => Object.hasOwn(schema, '~optional');
const isKind = (kind: string) => (schema: unknown) =>
  typeof schema === 'object' && schema !== null && '~kind' in schema && schema['~kind'] === kind;

function objectOf(properties: TProperties, options?: Fields): object {
  const required = Object.keys(properties).filter((name) => !isOptional(properties[name] ?? {}));
  return schemaOf(
    'Object',
    { type: 'object', ...(required.length > 0 && { required }), properties },
    options,
  );
}

/** An object whose fields are named freely; the names match the pattern of the key, if it has one. */
const recordOf = (key: Fields, value: TSchema, options?: Fields): object =>
  Object.assign(
    schemaOf('Record', {
      type: 'object',
      patternProperties: { [String(key['pattern'] ?? '^.*$')]: value },
    }),
    options,
  );

interface Refinement {
  readonly check: (value: unknown) => boolean;
  readonly error: (value: unknown) => string;
}

const refined = (
  schema: { readonly '~refine'?: readonly Refinement[] },
  check: Refinement['check'],
  error: Refinement['error'] = () => 'Refine Error',
): object => copyWith(schema, { '~refine': [...(schema['~refine'] ?? []), { check, error }] });

/** The builders, under the names that TypeBox gives them. */
export const Type = {
  Array: (items: TSchema, options?: Fields) => schemaOf('Array', { type: 'array', items }, options),
  Boolean: (options?: Fields) => schemaOf('Boolean', { type: 'boolean' }, options),
  Enum: (values: readonly TEnumValue[], options?: Fields) =>
    schemaOf('Enum', { enum: values }, options),
  Integer: (options?: Fields) => schemaOf('Integer', { type: 'integer' }, options),
  IsNull: isKind('Null'),
  IsOptional: (schema: unknown) =>
    typeof schema === 'object' && schema !== null && isOptional(schema),
  IsUnion: isKind('Union'),
  IsUnknown: isKind('Unknown'),
  Literal: (value: string | number | boolean, options?: Fields) =>
    schemaOf('Literal', { type: typeof value, const: value }, options),
  Null: (options?: Fields) => schemaOf('Null', { type: 'null' }, options),
  Number: (options?: Fields) => schemaOf('Number', { type: 'number' }, options),
  Object: objectOf,
  Optional: (schema: TSchema) => copyWith(schema, { '~optional': true }),
  Record: recordOf,
  Refine: refined,
  String: (options?: Fields) => schemaOf('String', { type: 'string' }, options),
  Tuple: (items: readonly TSchema[], options?: Fields) =>
    schemaOf(
      'Tuple',
      { type: 'array', additionalItems: false, items, minItems: items.length },
      options,
    ),
  Union: (anyOf: readonly TSchema[], options?: Fields) => schemaOf('Union', { anyOf }, options),
  Unknown: (options?: Fields) => schemaOf('Unknown', {}, options),
  Unsafe: (schema: object) => copyWith(schema, { '~unsafe': null }),
} as unknown as Builders;
