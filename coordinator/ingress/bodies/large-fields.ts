import { isObject, type JsonObject } from '#http-api/core/json.ts';
import { itemsOfInput } from '#http-api/core/surfaces/responses-conversation.ts';

/**
 * A field of a large request whose value stays in the thread that has parsed the body. Copying a
 * conversation from thread to thread would stop the event loop as long as parsing it does.
 */
export class LargeField {
  /** Name of the field in the body that was parsed. */
  readonly name: string;
  readonly isText: boolean;
  /** The JSON of the items of a conversation that come before those of the field. */
  readonly before: Uint8Array | undefined;

  constructor(
    name: string,
    {
      isText = false,
      before,
    }: { readonly isText?: boolean; readonly before?: Uint8Array | undefined } = {},
  ) {
    this.name = name;
    this.isText = isText;
    this.before = before;
  }

  /** The field with items of a conversation before its own. */
  after(items: readonly unknown[]): LargeField {
    return new LargeField(this.name, { before: Buffer.from(JSON.stringify(items)) });
  }
}

/** A body as a message between threads. */
export interface SplitBody {
  /** The names of all fields in their order, which decides what fault a request is told first. */
  readonly names: readonly string[];
  /** The values of the fields that are small. */
  readonly small: JsonObject;
  /** The names of the other fields whose value is a text. */
  readonly texts: readonly string[];
  /** The JSON of the items before those of other fields, as in `LargeField`. */
  readonly before: ReadonlyMap<string, Uint8Array>;
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
  const fields = Object.entries(body);
  return {
    names: Object.keys(body),
    small: Object.fromEntries(fields.filter(isCopied)),
    texts: fields
      .filter((field) => typeof field[1] === 'string' && !isCopied(field))
      .map(([name]) => name),
    before: new Map(),
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
  filled(body, (name) => new LargeField(name, { isText: body.texts.includes(name) }));

/** Splits a body with stand-ins, which may have been changed, before it is sent to its thread. */
export function withoutStandIns(body: JsonObject): SplitBody {
  const isValue = ([, value]: [string, unknown]) => !(value instanceof LargeField);
  const before = new Map<string, Uint8Array>();
  for (const [name, value] of Object.entries(body))
    if (value instanceof LargeField && value.before !== undefined) before.set(name, value.before);
  return {
    names: Object.keys(body),
    small: Object.fromEntries(Object.entries(body).filter(isValue)),
    texts: [],
    before,
  };
}

/** The body with the values of `parsed` for the fields that are not small. */
export const restored = (body: SplitBody, parsed: JsonObject): JsonObject =>
  filled(body, (name) => {
    const before = body.before.get(name);
    return before === undefined ? parsed[name] : itemsWith(before, parsed[name]);
  });

/** The body with the value of `valueAt` for each field that is not small. */
const filled = ({ names, small }: SplitBody, valueAt: (name: string) => unknown): JsonObject =>
  Object.fromEntries(
    names.map((name) => [name, Object.hasOwn(small, name) ? small[name] : valueAt(name)]),
  );

/** The items of a conversation: those whose JSON is `before`, and those of an input. */
export const itemsWith = (before: Uint8Array | undefined, input: unknown): readonly unknown[] => [
  ...(before === undefined ? [] : (JSON.parse(Buffer.from(before).toString()) as unknown[])),
  ...itemsOfInput(input),
];
