import type { TSchema } from 'typebox';
import type { TLocalizedValidationError } from 'typebox/error';

/** The first fault of a value that does not fit its schema. */
export interface SchemaFault {
  /** Path of the field at fault, with dots; empty for the whole value. */
  readonly path: string;
  /** A sentence for a person who is not familiar with JSON Schema. */
  readonly message: string;
}

const MAX_PATH = 64;

/** `noun` is the word for a part of the value: a body has fields, a query has parameters. */
export function faultOf(
  schema: TSchema,
  [error]: readonly TLocalizedValidationError[],
  noun: 'field' | 'parameter',
): SchemaFault {
  if (error === undefined) return { path: '', message: 'The request is not valid.' };
  // A refinement has a message of its own, which may quote the value.
  const ruled = error.keyword === '~refine' ? undefined : ruleFor(schema, error);
  const steps = ruled?.steps ?? stepsTo(error);
  const subject = steps.length === 0 ? 'The request' : `The ${noun} \`${shown(steps)}\``;
  return {
    path: steps.join('.').slice(0, MAX_PATH),
    message: ruled === undefined ? sentence(error, subject, noun) : `${subject} ${ruled.rule}.`,
  };
}

/** The path to the value at fault; a missing field counts as the fault, and not its object. */
function stepsTo(error: TLocalizedValidationError): string[] {
  const steps = error.instancePath.split('/').filter(Boolean);
  const missing = error.keyword === 'required' ? error.params.requiredProperties[0] : undefined;
  return missing === undefined ? steps : [...steps, missing];
}

/** A path as people write it, for example `messages[0].role`. */
function shown(steps: readonly string[]): string {
  return steps
    .map((step, index) => (index > 0 && /^\d+$/.test(step) ? `[${step}]` : `.${step}`))
    .join('')
    .slice(1, MAX_PATH + 1);
}

/** The `x-rule` of the innermost schema that encloses the fault, and the path to its value. */
function ruleFor(
  schema: TSchema,
  { schemaPath, instancePath }: TLocalizedValidationError,
): { rule: string; steps: string[] } | undefined {
  const steps = instancePath.split('/').filter(Boolean);
  let found: { rule: string; steps: string[] } | undefined;
  let node: unknown = schema;
  let depth = 0;
  let isName = false;
  for (const key of ['', ...schemaPath.split('/').slice(1)]) {
    if (key !== '') node = (node as Record<string, unknown> | undefined)?.[key];
    // A name below `properties`, and the schemas of other members, lead one step into the value.
    if (isName || key === 'items' || key === 'additionalProperties') depth += 1;
    isName = !isName && key === 'properties';
    const rule = isName ? undefined : (node as { 'x-rule'?: string } | undefined)?.['x-rule'];
    if (rule !== undefined) found = { rule, steps: steps.slice(0, depth) };
  }
  return found;
}

function sentence(
  error: TLocalizedValidationError,
  subject: string,
  noun: 'field' | 'parameter',
): string {
  switch (error.keyword) {
    // The validator checks an unknown field against the schema `false`.
    case 'boolean':
      return `Unknown ${noun} \`${shown(stepsTo(error))}\`.`;
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
    // A refinement has its message from the schema. No schema uses the remaining keywords.
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
