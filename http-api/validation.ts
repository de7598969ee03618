import type { FastifySchemaCompiler } from 'fastify';
import type { TSchema } from 'typebox';
import { checkerOf } from '#bus-schemas/platform.ts';
import { faultOf } from './core/schema-fault.ts';
import { ApiError } from './errors.ts';

/** A decimal number in a query. Other notations, such as `1e3`, `0x10` and an empty text, are none. */
const DECIMAL = /^-?\d+(?:\.\d+)?$/;

/**
 * Checks requests against the schema of their route. Texts are converted to numbers and booleans
 * only in the query, where every value is a text.
 */
export const compileValidator: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const validator = checkerOf(schema);
  const noun = httpPart === 'body' ? 'field' : 'parameter';
  return (given: unknown) => {
    // Bodies of inference routes are parsed from their bytes by their surface.
    if (Buffer.isBuffer(given)) return { value: given };
    const value = httpPart === 'querystring' ? converted(schema, given) : given;
    if (validator.Check(value)) return { value };
    const { path, message } = faultOf(schema, validator.Errors(value), noun);
    const options = path === '' ? {} : { param: path };
    return { error: new ApiError('invalid_request', message, options) as Error };
  };
};

/**
 * The values of a query, converted to the types of its parameters. A text that does not have the
 * type stays a text, which the schema then refuses: `limit=true` must not become 1.
 */
function converted(schema: TSchema, query: unknown): unknown {
  const { properties = {} } = schema as { properties?: Readonly<Record<string, TSchema>> };
  return Object.fromEntries(
    Object.entries(query as Readonly<Record<string, unknown>>).map(([name, value]) => [
      name,
      typeof value === 'string' ? typed(properties[name], value) : value,
    ]),
  );
}

function typed(schema: TSchema | undefined, text: string): unknown {
  switch ((schema as { type?: unknown } | undefined)?.type) {
    case 'integer':
    case 'number':
      return DECIMAL.test(text) ? Number(text) : text;
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text;
    default:
      return text;
  }
}
