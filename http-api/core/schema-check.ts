import { MAX_SCHEMA_CHARACTERS } from '#bus-schemas';
import { ApiError } from '../errors.ts';
import { isObject, type JsonObject, quoted } from './json.ts';

/**
 * Rejects JSON schemas that no answer can satisfy before a machine is asked: references that do not
 * resolve, types that do not exist, and schemas that no finite value fits, such as one that only
 * refers to itself. The provider compiles all other schemas, and may still refuse them.
 */

const TYPES = new Set(['string', 'number', 'integer', 'boolean', 'null', 'array', 'object']);
/**
 * Most steps of one check. A schema that needs more is left to the provider, since hostile
 * references can repeat work without end.
 */
const MAX_STEPS = 20_000;
const MAX_DEPTH = 200;

/**
 * Throws an ApiError with the reason. `param` is the field of the request that holds the schema.
 */
export function checkSchema(schema: JsonObject, param: string): void {
  const length = JSON.stringify(schema).length;
  if (length > MAX_SCHEMA_CHARACTERS)
    throw unusable(
      param,
      `${param} has ${length} characters; the most is ${MAX_SCHEMA_CHARACTERS}.`,
    );
  if (!new FiniteValues(schema, param).has(schema))
    throw unusable(
      param,
      `No finite value fits ${param}: a part that must be present refers back to itself.`,
    );
}

/** Whether some finite value fits a schema: the least fixed point over its references. */
class FiniteValues {
  readonly #root: JsonObject;
  readonly #param: string;
  readonly #found = new Set<unknown>();
  readonly #open = new Set<unknown>();
  #steps = 0;

  constructor(root: JsonObject, param: string) {
    this.#root = root;
    this.#param = param;
  }

  has(schema: unknown): boolean {
    if (!isObject(schema) || this.#found.has(schema)) return true;
    if (this.#open.has(schema)) return false;
    this.#steps += 1;
    if (this.#steps > MAX_STEPS || this.#open.size >= MAX_DEPTH) return true;
    this.#checkType(schema['type']);
    this.#open.add(schema);
    const found =
      this.#needed(schema).every((part) => this.has(part)) &&
      this.#choices(schema).every((choice) => choice.some((part) => this.has(part)));
    this.#open.delete(schema);
    if (found) this.#found.add(schema);
    return found;
  }

  /** Parts that every value has to fit or to contain. */
  #needed(schema: JsonObject): unknown[] {
    const { $ref: reference, allOf, type, properties, required, items, minItems } = schema;
    const needed: unknown[] = [];
    if (reference !== undefined) needed.push(this.#target(reference));
    if (Array.isArray(allOf)) needed.push(...allOf);
    if (type === 'object' && Array.isArray(required) && isObject(properties)) {
      for (const name of required)
        if (typeof name === 'string' && Object.hasOwn(properties, name))
          needed.push(properties[name]);
    }
    if (type === 'array' && typeof minItems === 'number' && minItems > 0) needed.push(items);
    this.#steps += needed.length;
    return needed;
  }

  #choices({ anyOf, oneOf }: JsonObject): unknown[][] {
    return [anyOf, oneOf].filter(
      (choice): choice is unknown[] => Array.isArray(choice) && choice.length > 0,
    );
  }

  #checkType(type: unknown): void {
    const wrong = (Array.isArray(type) ? type : [type]).find(
      (each) => each !== undefined && !(typeof each === 'string' && TYPES.has(each)),
    );
    if (wrong !== undefined)
      throw unusable(
        this.#param,
        `${this.#param}: ${quoted(String(wrong))} is not a type of JSON schema.`,
      );
  }

  /** References to other documents are not resolved: the provider accepts any value for them. */
  #target(reference: unknown): unknown {
    if (typeof reference !== 'string')
      throw unusable(this.#param, `${this.#param}: $ref must be a string.`);
    if (reference === '#') return this.#root;
    if (!reference.startsWith('#/')) return undefined;
    let target: unknown = this.#root;
    const path = reference.slice(2).split('/');
    this.#steps += path.length;
    for (const part of path) {
      const name = part.replaceAll('~1', '/').replaceAll('~0', '~');
      target =
        isObject(target) && Object.hasOwn(target, name)
          ? target[name]
          : Array.isArray(target)
            ? target[Number(name)]
            : undefined;
    }
    if (target === undefined)
      throw unusable(this.#param, `${this.#param}: ${quoted(reference)} leads nowhere.`);
    return target;
  }
}

const unusable = (param: string, message: string) =>
  new ApiError('invalid_schema', message, { param });
