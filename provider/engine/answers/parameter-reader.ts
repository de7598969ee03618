import { isObject } from '../../models/json.ts';

/** Returns the JSON schema of a tool's arguments, if the request has one. */
export type SchemaOf = (tool: string) => unknown;

const FUNCTION = /^\s*<function=([^>\n]+)>/;
const PARAMETER = /^\s*<parameter=([^>\n]+)>\n?/;
const PARAMETER_END = '</parameter>';
const FUNCTION_END = '</function>';

/** Returns the name of the tool and the text after it, once a call with parameters has begun. */
export function functionIn(text: string): { name: string; rest: string } | undefined {
  const begun = FUNCTION.exec(text);
  return begun === null
    ? undefined
    : { name: (begun[1] as string).trim(), rest: text.slice(begun[0].length) };
}

/**
 * Reads the arguments of a call in which each one has a tag of its own, and returns them as JSON. A
 * value is text, as it stands, if the tool's schema says so or if it is no JSON.
 */
export class ParameterReader {
  readonly #properties: Record<string, unknown>;
  #count = 0;
  isOver = false;

  constructor(schema: unknown) {
    const properties = isObject(schema) ? schema['properties'] : undefined;
    this.#properties = isObject(properties) ? properties : {};
  }

  /** Reads all complete parameters. Returns their JSON, and the text that is not read yet. */
  push(text: string): { json: string; rest: string } {
    let [json, rest] = ['', text];
    for (;;) {
      const parameter = PARAMETER.exec(rest);
      const end = parameter === null ? -1 : rest.indexOf(PARAMETER_END);
      if (parameter === null || end === -1) break;
      const key = (parameter[1] as string).trim();
      const value = rest.slice(parameter[0].length, end).replace(/\n$/, '');
      json += `${this.#count === 0 ? '{' : ', '}${JSON.stringify(key)}: ${this.#json(key, value)}`;
      this.#count += 1;
      rest = rest.slice(end + PARAMETER_END.length);
    }
    if (!isBeginning(rest.trimStart())) {
      this.isOver = true;
      json += this.#count === 0 ? '{}' : '}';
      rest = rest.trimStart();
      if (rest.startsWith(FUNCTION_END)) rest = rest.slice(FUNCTION_END.length);
    }
    return { json, rest };
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

/** True if a text may become the next parameter, or the mark after the last one. */
function isBeginning(text: string): boolean {
  const mark = '<parameter=';
  return text.startsWith(mark) || mark.startsWith(text) || isPartOf(text, FUNCTION_END);
}

const isPartOf = (text: string, mark: string): boolean =>
  text.length < mark.length && mark.startsWith(text);
