import type { FastifySchemaCompiler } from 'fastify';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import type { TLocalizedValidationError } from 'typebox/error';
import { Value } from 'typebox/value';
import { ApiError } from '../errors.ts';

/**
 * Checks what comes in against the route's schema. Only a query has its texts turned into numbers:
 * there everything is text.
 */
export const compileValidator: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const validator = Compile(schema);
  const noun = httpPart === 'body' ? 'field' : 'parameter';
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
        explain(first, noun, param),
        param === '' ? {} : { param },
      ) as Error,
    };
  };
};

/** The field at fault, as its sender knows it; empty for the whole request. */
function nameOf(error: TLocalizedValidationError | undefined): string {
  if (error === undefined) return '';
  const path = error.instancePath.split('/').filter(Boolean);
  const inner = error.keyword === 'required' ? error.params.requiredProperties[0] : undefined;
  return [...path, ...(inner === undefined ? [] : [inner])].join('.').slice(0, 64);
}

/** What is wrong, as a sentence for a person who knows the API and not JSON Schema. */
function explain(
  error: TLocalizedValidationError | undefined,
  noun: 'field' | 'parameter',
  param: string,
): string {
  const subject = param === '' ? 'The request' : `The ${noun} \`${param}\``;
  if (error === undefined) return `${subject} is not valid.`;
  switch (error.keyword) {
    // The schema of every field that is not named is `false`.
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
    // The remaining keywords are in no schema of the API today; the words of the library are better
    // than none.
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
