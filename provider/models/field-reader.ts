import { isObject, type JsonObject } from './json.ts';
import { ModelError } from './model-error.ts';

interface Bounds<Fallback> {
  readonly min?: number;
  readonly max?: number;
  /** The result if the field is missing or null. Without it the field is required. */
  readonly or?: Fallback;
}

/**
 * Reads an untrusted configuration. Every number is checked against bounds, and the error names the
 * field: an unchecked size would make a decoder allocate too much memory or read outside of it.
 */
export class FieldReader {
  readonly #fields: JsonObject;
  readonly #path: string;

  constructor(fields: JsonObject, path: string) {
    this.#fields = fields;
    this.#path = path;
  }

  has(name: string): boolean {
    return this.#fields[name] !== undefined && this.#fields[name] !== null;
  }

  integer<F = never>(
    name: string,
    { min = 1, max = 1 << 20, ...rest }: Bounds<F> = {},
  ): number | F {
    if (!this.has(name) && 'or' in rest) return rest.or as F;
    const value = this.#fields[name];
    if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max)
      throw this.#wrong(name, `a whole number from ${min} to ${max}`);
    return value as number;
  }

  number<F = never>(name: string, { min = 0, max = 1e12, ...rest }: Bounds<F> = {}): number | F {
    if (!this.has(name) && 'or' in rest) return rest.or as F;
    const value = this.#fields[name];
    if (typeof value !== 'number' || !(value >= min && value <= max))
      throw this.#wrong(name, `a number from ${min} to ${max}`);
    return value;
  }

  text<const Value extends string, F = never>(
    name: string,
    known: readonly Value[],
    rest: { or?: F } = {},
  ): Value | F {
    if (!this.has(name) && 'or' in rest) return rest.or as F;
    const value = this.#fields[name];
    if (!known.includes(value as Value)) throw this.#wrong(name, `one of ${known.join(', ')}`);
    return value as Value;
  }

  /** Returns undefined if the field is missing or null. */
  anyText(name: string): string | undefined {
    if (!this.has(name)) return undefined;
    const value = this.#fields[name];
    if (typeof value !== 'string') throw this.#wrong(name, 'a text');
    return value;
  }

  flag(name: string, or: boolean): boolean {
    if (!this.has(name)) return or;
    const value = this.#fields[name];
    if (typeof value !== 'boolean') throw this.#wrong(name, 'true or false');
    return value;
  }

  /** Returns undefined if the field is missing or null. */
  object(name: string): FieldReader | undefined {
    if (!this.has(name)) return undefined;
    const value = this.#fields[name];
    if (!isObject(value)) throw this.#wrong(name, 'an object');
    return new FieldReader(value, `${this.#path}.${name}`);
  }

  list<T>(name: string, isItem: (item: unknown) => item is T, most: number): T[] | undefined {
    if (!this.has(name)) return undefined;
    const value = this.#fields[name];
    if (!Array.isArray(value) || value.length > most || !value.every(isItem))
      throw this.#wrong(name, `a list of at most ${most} valid items`);
    return value;
  }

  #wrong(name: string, wanted: string): ModelError {
    return new ModelError(
      'malformed_config',
      `${this.#path}.${name} must be ${wanted}, but is ${JSON.stringify(this.#fields[name])?.slice(0, 80) ?? 'missing'}`,
    );
  }
}
