import type { FastifySchemaCompiler } from 'fastify';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import type { TLocalizedValidationError } from 'typebox/error';
import { Value } from 'typebox/value';
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
    const [first] = validator.Errors(value);
    const param = nameOf(first);
    return {
      error: new ApiError(
        'invalid_request',
        explain(first, noun, param),
        param === '' ? {} : { param },
      ) as Error,
    };
  };
};

/** The path of the invalid field in the request; empty for the whole request. */
function nameOf(error: TLocalizedValidationError | undefined): string {
  if (error === undefined) return '';
  const path = error.instancePath.split('/').filter(Boolean);
  const inner = error.keyword === 'required' ? error.params.requiredProperties[0] : undefined;
  return [...path, ...(inner === undefined ? [] : [inner])].join('.').slice(0, 64);
}

/** The error as a sentence for a person who is not familiar with JSON Schema. */
function explain(
  error: TLocalizedValidationError | undefined,
  noun: 'field' | 'parameter',
  param: string,
): string {
  const subject = param === '' ? 'The request' : `The ${noun} \`${param}\``;
  if (error === undefined) return `${subject} is not valid.`;
  switch (error.keyword) {
    // The validator checks an unknown field against the schema `false`.
    case 'boolean':
      return `Unknown ${noun} \`${param}\`.`;
    case 'required':
      return `${subject} is missing.`;
    case 'type':
      return `${subject} must be ${[error.params.type].flat().map(typeName).join(' or ')}.`;
    case 'enum':
      return `${subject} must be one of ${error.params.allowedValues.join(', ')}.`;
    case 'const':
      return `${subject} must be ${error.params.allowedValue}.`;
    case 'minimum':
      return `${subject} must be at least ${error.params.limit}.`;
    case 'maximum':
      return `${subject} must be at most ${error.params.limit}.`;
    case 'minLength':
      return `${subject} must have at least ${error.params.limit} characters.`;
    case 'maxLength':
      return `${subject} must have at most ${error.params.limit} characters.`;
    case 'minItems':
      return `${subject} must have at least ${error.params.limit} entries.`;
    case 'maxItems':
      return `${subject} must have at most ${error.params.limit} entries.`;
    case 'pattern':
      return `${subject} must match the pattern ${error.params.pattern}.`;
    // No schema of the API uses the remaining keywords today; for them, the library's own message
    // is used.
    default:
      return `${subject} ${error.message}.`;
  }
}

function typeName(type: string): string {
  switch (type) {
    case 'null':
      return 'null';
    case 'array':
      return 'a list';
    case 'object':
      return 'an object';
    case 'integer':
      return 'a whole number';
    case 'boolean':
      return 'true or false';
    case 'string':
      return 'a text';
    default:
      return `a ${type}`;
  }
}
