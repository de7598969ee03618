import { isObject, type JsonObject } from '#http-api/core/json.ts';

/**
 * A field of a large request whose value stays in the thread that has parsed the body. Copying a
 * conversation from thread to thread would stop the event loop as long as parsing it does.
 */
export class LargeField {
  /** Name of the field in the body that was parsed. */
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** A body as a message between threads. */
export interface SplitBody {
  /** The names of all fields in their order, which decides what fault a request is told first. */
  readonly names: readonly string[];
  /** The values of the fields that are small. */
  readonly small: JsonObject;
}

/** Fields that hold the prompt, whose texts are not copied if they are long. */
const PROMPT_FIELDS: ReadonlySet<string> = new Set([
  'messages',
  'input',
  'prompt',
  'system',
  'instructions',
]);
/** Most characters of texts, and most values, of a field that is copied. */
const MAX_CHARACTERS = 16 * 1024;
const MAX_VALUES = 256;

/** Splits a body after it was parsed. */
export function splitBody(body: JsonObject): SplitBody {
  // A text is copied fast, and may be an id that is looked up; only a prompt is expected to be long.
  const isCopied = ([name, value]: [string, unknown]) =>
    (typeof value === 'string' && !PROMPT_FIELDS.has(name)) || isSmall(value);
  return {
    names: Object.keys(body),
    small: Object.fromEntries(Object.entries(body).filter(isCopied)),
  };
}

function isSmall(value: unknown): boolean {
  let characters = MAX_CHARACTERS;
  let values = MAX_VALUES;
  const fits = (part: unknown): boolean => {
    values -= 1;
    if (values < 0) return false;
    if (typeof part === 'string') characters -= part.length;
    else if (Array.isArray(part)) return part.every(fits);
    else if (isObject(part))
      return Object.entries(part).every(([name, member]) => {
        characters -= name.length;
        return characters >= 0 && fits(member);
      });
    return characters >= 0;
  };
  return fits(value);
}

/** The body with a stand-in for each field that is not small. */
export const withStandIns = (body: SplitBody): JsonObject =>
  restored(body, (name) => new LargeField(name));

/** Splits a body with stand-ins, which may have been changed, before it is sent to its thread. */
export function withoutStandIns(body: JsonObject): SplitBody {
  const isValue = ([, value]: [string, unknown]) => !(value instanceof LargeField);
  return {
    names: Object.keys(body),
    small: Object.fromEntries(Object.entries(body).filter(isValue)),
  };
}

/** The body with the value of `valueAt` for each field that is not small. */
export const restored = (
  { names, small }: SplitBody,
  valueAt: (name: string) => unknown,
): JsonObject =>
  Object.fromEntries(
    names.map((name) => [name, Object.hasOwn(small, name) ? small[name] : valueAt(name)]),
  );
