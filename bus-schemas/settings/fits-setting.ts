import type { TSchema } from 'typebox';
import { checkerOf } from '../compiled/compiled-checker.ts';

/** The keywords of a schema that are checked here. */
interface Keywords {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly items?: TSchema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly pattern?: string;
  readonly '~refine'?: readonly { check(value: unknown): boolean }[];
}

/** These keywords, and others that do not change which values fit. */
const KNOWN = new Set([
  ...['type', 'enum', 'items', 'minimum', 'maximum', 'minLength', 'pattern', '~refine'],
  ...['~kind', '~optional', 'default', 'description', 'unit', 'form', 'shownDefault'],
  ...['isSecret', 'separator'],
]);
const ASCII = /^[\x20-\x7e]*$/;

/**
 * Whether a setting has a value that its schema allows. Each process reads settings, so the few keywords
 * that their schemas have are checked here, without loading the compiler of schemas. The compiler decides
 * about all other keywords, and about texts that are not ASCII.
 */
export function fitsSetting(schema: TSchema, value: unknown): boolean {
  const { enum: words, '~refine': refinements = [] } = schema as Keywords;
  const isCovered =
    Object.getOwnPropertyNames(schema).every((name) => KNOWN.has(name)) &&
    (typeof value !== 'string' || ASCII.test(value));
  if (!isCovered) return checkerOf(schema).Check(value);
  const fits = words === undefined ? fitsType(schema, value) : words.includes(value);
  return fits && refinements.every(({ check }) => check(value));
}

function fitsType(schema: TSchema, value: unknown): boolean {
  const { type, items, minimum, maximum, minLength = 0, pattern } = schema as Keywords;
  switch (type) {
    case 'integer':
    case 'number':
      return (
        typeof value === 'number' &&
        (type === 'integer' ? Number.isInteger(value) : Number.isFinite(value)) &&
        value >= (minimum ?? Number.NEGATIVE_INFINITY) &&
        value <= (maximum ?? Number.POSITIVE_INFINITY)
      );
    case 'boolean':
      return typeof value === 'boolean';
    case 'array':
      return Array.isArray(value) && value.every((item) => fitsSetting(items ?? {}, item));
    case 'string':
      return (
        typeof value === 'string' &&
        value.length >= minLength &&
        (pattern === undefined || new RegExp(pattern, 'u').test(value))
      );
    default:
      return checkerOf(schema).Check(value);
  }
}
