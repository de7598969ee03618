import type { FastifySchemaCompiler } from 'fastify';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { Value } from 'typebox/value';
import { ApiError } from '../errors.ts';

/** Checks what comes in against the route's schema. Only a query has its texts turned into numbers: there everything is text. */
export const compileValidator: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const validator = Compile(schema);
  return (given: unknown) => {
    // Bodies of inference are read by their surface, from the bytes.
    if (Buffer.isBuffer(given)) return { value: given };
    const value = httpPart === 'querystring' ? Value.Convert(schema, given) : given;
    if (validator.Check(value)) return { value };
    const [first] = validator.Errors(value);
    const param = nameOf(first);
    return {
      error: new ApiError(
        'invalid_request',
        `${param || 'The request'} ${first?.message ?? 'is not as it should be'}.`,
        param === '' ? {} : { param },
      ) as Error,
    };
  };
};

interface Mismatch {
  readonly instancePath: string;
  readonly keyword: string;
  readonly params?: unknown;
}

/** The field at fault, as its sender knows it. */
function nameOf(error: Mismatch | undefined): string {
  if (error === undefined) return '';
  const path = error.instancePath.split('/').filter(Boolean);
  const params = error.params as { requiredProperties?: string[]; additionalProperties?: string[] } | undefined;
  const inner = params?.requiredProperties?.[0] ?? params?.additionalProperties?.[0];
  return [...path, ...(inner === undefined ? [] : [inner])].join('.').slice(0, 64);
}
