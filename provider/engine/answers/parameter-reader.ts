import { isObject } from '../../models/json.ts';

/** Returns the JSON schema of a tool's arguments, if the request has one. */
export type SchemaOf = (tool: string) => unknown;

/** How a format writes a call in which each argument has tags of its own. */
interface ArgumentTags {
  /** Matches the beginning of a call, with the name of the tool as its first group. */
  readonly call: RegExp;
  /** The text with which an argument begins. */
  readonly mark: string;
  /** Matches the text before a value, with the name of the argument as its first group. */
  readonly argument: RegExp;
  readonly valueEnd: string;
  /** Matches what separates a value from its tags, and does not belong to it. */
  readonly margin: RegExp;
  /** The text after the last argument. */
  readonly end: string;
}

/** Qwen 3.5: <function=NAME>, and for each argument <parameter=KEY>, the value and </parameter>. */
const WITH_PARAMETERS: ArgumentTags = {
  call: /^\s*<function=([^>\n]+)>/,
  mark: '<parameter=',
  argument: /^\s*<parameter=([^>\n]+)>\n?/,
  valueEnd: '</parameter>',
  margin: /\n$/,
  end: '</function>',
};

/** GLM: NAME, and for each argument <arg_key>KEY</arg_key> and <arg_value>VALUE</arg_value>. */
const WITH_PAIRS: ArgumentTags = {
  call: /^\s*([\w.:-]+)[^\S\n]*(?=[\n<])/,
  mark: '<arg_key>',
  argument: /^\s*<arg_key>([^<\n]+)<\/arg_key>\s*<arg_value>/,
  valueEnd: '</arg_value>',
  margin: /(?!)/,
  end: '',
};

const TAGS = { parameters: WITH_PARAMETERS, pairs: WITH_PAIRS };

/** The tags of a form of tool calls, or undefined if its arguments have none. */
export const tagsOf = (form: string | undefined): ArgumentTags | undefined =>
  form === 'parameters' || form === 'pairs' ? TAGS[form] : undefined;

/** Returns the name of the tool and the text after it, once a call has begun. */
export function callBegunIn(
  text: string,
  tags: ArgumentTags,
): { name: string; rest: string } | undefined {
  const begun = tags.call.exec(text);
  return begun === null
    ? undefined
    : { name: (begun[1] as string).trim(), rest: text.slice(begun[0].length) };
}

/**
 * Reads the arguments of a call in which each one has a tag of its own, and returns them as JSON. A
 * value is text, as it stands, if the tool's schema says so or if it is no JSON.
 */
export class ParameterReader {
  readonly #tags: ArgumentTags;
  readonly #properties: Record<string, unknown>;
  #count = 0;
  isOver = false;

  constructor(tags: ArgumentTags, schema: unknown) {
    this.#tags = tags;
    const properties = isObject(schema) ? schema['properties'] : undefined;
    this.#properties = isObject(properties) ? properties : {};
  }

  /** Reads all complete parameters. Returns their JSON, and the text that is not read yet. */
  push(text: string): { json: string; rest: string } {
    const { argument, valueEnd, margin, end: last } = this.#tags;
    let [json, rest] = ['', text];
    for (;;) {
      const found = argument.exec(rest);
      const end = found === null ? -1 : rest.indexOf(valueEnd, found[0].length);
      if (found === null || end === -1) break;
      const key = (found[1] as string).trim();
      const value = rest.slice(found[0].length, end).replace(margin, '');
      json += `${this.#count === 0 ? '{' : ', '}${JSON.stringify(key)}: ${this.#json(key, value)}`;
      this.#count += 1;
      rest = rest.slice(end + valueEnd.length);
    }
    if (!this.#isBeginning(rest.trimStart())) {
      this.isOver = true;
      json += this.#count === 0 ? '{}' : '}';
      rest = rest.trimStart();
      if (rest.startsWith(last)) rest = rest.slice(last.length);
    }
    return { json, rest };
  }

  /** True if a text may become the next argument, or the mark after the last one. */
  #isBeginning(text: string): boolean {
    const { mark, end } = this.#tags;
    return text.startsWith(mark) || mark.startsWith(text) || isPartOf(text, end);
  }

  #json(key: string, value: string): string {
    const of = this.#properties[key];
    if (isObject(of) && of['type'] === 'string') return JSON.stringify(value);
    try {
      return JSON.stringify(JSON.parse(value));
    } catch {
      return JSON.stringify(value);
    }
  }
}

const isPartOf = (text: string, mark: string): boolean =>
  text.length < mark.length && mark.startsWith(text);
