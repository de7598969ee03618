import type { FastifySchemaCompiler } from 'fastify';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { Value } from 'typebox/value';
import { faultOf } from './core/schema-fault.ts';
import { ApiError } from './errors.ts';

/**
 * Checks requests against the schema of their route. Texts are converted to numbers only in the
 * query, where every value is a text.
 */
export const compileValidator: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const validator = Compile(schema);
  const noun = httpPart === 'body' ? 'field' : 'parameter';
  return (given: unknown) => {
    // Bodies of inference routes are parsed from their bytes by their surface.
    if (Buffer.isBuffer(given)) return { value: given };
    const value = httpPart === 'querystring' ? Value.Convert(schema, given) : given;
    if (validator.Check(value)) return { value };
    const { path, message } = faultOf(schema, validator.Errors(value), noun);
    const options = path === '' ? {} : { param: path };
    return { error: new ApiError('invalid_request', message, options) as Error };
  };
};
