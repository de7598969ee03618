import { type TSchema, Type } from '#bus-schemas/type.ts';
import { ApiError } from '../../errors.ts';
import { invalid, isGiven, isObject, type JsonObject, quoted } from '../json.ts';

/**
 * The fields that requests of a surface may have. No field is ignored silently: a field is
 * supported, refused with a reason, or accepted without effect and named in a header of the answer.
 * The OpenAPI document and docs/parameters.md are generated from the same entries.
 */
export type ParameterTable = Readonly<Record<string, Parameter>>;

export type Parameter =
  | {
      readonly use: 'supported';
      readonly schema: TSchema;
      /** Fields of the value, if it is an object whose fields differ in their use. */
      readonly fields?: ParameterTable;
      /** Uses by the `type` of an element, if the value is a list of elements of several types. */
      readonly types?: ParameterTable;
    }
  | { readonly use: 'ignored'; readonly reason: string }
  | {
      readonly use: 'refused';
      readonly reason: string;
      /**
       * Values that ask for nothing, such as an empty list. They are accepted. An element of a list
       * asks for nothing if it has all fields of such a value.
       */
      readonly neutral: readonly unknown[];
      /** Fields of `error.details`. */
      readonly details?: Readonly<Record<string, unknown>>;
    };

/** Header of an answer that lists the fields without effect, in the order of the request. */
export const IGNORED_HEADER = 'x-dinf-ignored';
const MAX_SHOWN_NAME = 64;

export const supported = (schema: TSchema, fields?: ParameterTable): Parameter => ({
  use: 'supported',
  schema,
  ...(fields && { fields }),
});
export const supportedTypes = (schema: TSchema, types: ParameterTable): Parameter => ({
  use: 'supported',
  schema,
  types,
});
export const ignored = (reason: string): Parameter => ({ use: 'ignored', reason });
export const unsupported = (reason: string, ...neutral: readonly unknown[]): Parameter => ({
  use: 'refused',
  reason,
  neutral,
});

/** All fields of a schema as supported parameters. */
export const supportedFields = (fields: Readonly<Record<string, TSchema>>): ParameterTable =>
  Object.fromEntries(Object.entries(fields).map(([name, schema]) => [name, supported(schema)]));

interface CheckedParameters {
  /** The supported fields that have a value. */
  readonly fields: JsonObject;
  /** Names of the given fields that have no effect. */
  readonly ignored: readonly string[];
}

/**
 * Throws for the first field that is unknown or refused. The parameter of the error is the field of
 * the body, and the message has the whole name. Null counts as absent.
 */
export function checkParameters(table: ParameterTable, body: JsonObject): CheckedParameters {
  const without: string[] = [];
  return { fields: checkFields(table, body, '', without), ignored: without };
}

/** The header of `IGNORED_HEADER`, or no header. */
export const ignoredHeader = (names: readonly string[]): Record<string, string> =>
  names.length === 0 ? {} : { [IGNORED_HEADER]: names.join(', ') };

function checkFields(
  table: ParameterTable,
  body: JsonObject,
  prefix: string,
  without: string[],
): JsonObject {
  const fields: JsonObject = {};
  for (const [field, value] of Object.entries(body)) {
    if (!isGiven(value)) continue;
    const name = `${prefix}${field}`;
    const parameter = Object.hasOwn(table, field) ? table[field] : undefined;
    switch (parameter?.use) {
      case 'supported':
        if (parameter.fields !== undefined && isObject(value))
          fields[field] = checkFields(parameter.fields, value, `${name}.`, without);
        else if (parameter.types !== undefined && Array.isArray(value))
          fields[field] = checkElements(parameter.types, value, name, without);
        else fields[field] = value;
        break;
      case 'ignored':
        without.push(name);
        break;
      case 'refused':
        if (parameter.neutral.some((neutral) => isSame(neutral, value))) break;
        throw new ApiError('invalid_request', `${name} is not supported: ${parameter.reason}`, {
          param: prefix.split('.', 1)[0] || field,
          ...(parameter.details && { details: parameter.details }),
        });
      case undefined: {
        const param = (prefix.split('.', 1)[0] || field).slice(0, MAX_SHOWN_NAME);
        throw invalid(param, `Unknown field \`${name.slice(0, MAX_SHOWN_NAME)}\`.`);
      }
    }
  }
  return fields;
}

/**
 * The elements that have an effect. Those without effect are left out, and named once for each type,
 * because the names become a header.
 */
function checkElements(
  types: ParameterTable,
  elements: readonly unknown[],
  name: string,
  without: string[],
): unknown[] {
  return elements.filter((element, index) => {
    const type = isObject(element) ? element['type'] : undefined;
    const use = typeof type === 'string' && Object.hasOwn(types, type) ? types[type] : undefined;
    if (use?.use === 'supported') return true;
    if (use === undefined || (use.use === 'refused' && !use.neutral.some(isPartOf(element))))
      throw invalid(
        name,
        `${name}[${index}]: the type ${quoted(type)} is not supported${use === undefined ? '.' : `: ${use.reason}`}`,
      );
    if (!without.includes(`${name}.${type}`)) without.push(`${name}.${type}`);
    return false;
  });
}

const isPartOf = (element: unknown) => (part: unknown) =>
  isObject(element) &&
  isObject(part) &&
  Object.entries(part).every(([field, value]) => isSame(element[field], value));

const isSame = (one: unknown, other: unknown): boolean =>
  one === other || JSON.stringify(one) === JSON.stringify(other);

/**
 * The schema of a body, for the OpenAPI document. Refused fields are left out. `filled` are fields that
 * the route fills in itself, so that requests need not have them.
 */
export function documentedBody(table: ParameterTable, filled: readonly string[] = []) {
  const fields: Record<string, TSchema> = {};
  for (const [name, parameter] of Object.entries(table)) {
    if (parameter.use === 'refused') continue;
    const schema = documented(parameter);
    fields[name] =
      Type.IsOptional(schema) || filled.includes(name) ? Type.Optional(orNull(schema)) : schema;
  }
  return Type.Object(fields, { additionalProperties: false });
}

function documented(parameter: Exclude<Parameter, { use: 'refused' }>): TSchema {
  if (parameter.use === 'ignored')
    return Type.Optional(
      Type.Unknown({ description: `Accepted without effect. ${parameter.reason}` }),
    );
  const { schema, fields } = parameter;
  if (fields === undefined) return schema;
  const { title } = schema as { title?: string };
  const body = { ...documentedBody(fields), ...(title !== undefined && { title }) };
  return Type.IsOptional(schema) ? Type.Optional(body) : body;
}

/** Null counts as absent. Schemas that accept every value accept null already. */
function orNull(schema: TSchema): TSchema {
  const acceptsNull =
    Type.IsUnknown(schema) || (Type.IsUnion(schema) && schema.anyOf.some(Type.IsNull));
  return acceptsNull ? schema : Type.Union([schema, Type.Null()]);
}
