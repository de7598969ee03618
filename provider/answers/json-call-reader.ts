import { isObject } from '../models/json.ts';
import { CallSteps } from './call-steps.ts';
import type { AnswerPart, CallForm } from './format.ts';
import { JsonValueEnd } from './json-value-end.ts';
import { MOST_HEAD } from './marked-text-reader.ts';

/** A call up to its arguments, which are an object. */
const BEGUN =
  /^\s*(\[\s*)?\{\s*(?:"type"\s*:\s*"function"\s*,\s*)?"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"(?:arguments|parameters)"\s*:\s*(?=\{)/;
/** Keys with which a call may begin. */
const KEYS = ['"name"', '"type"', '"function"', '"id"', '"index"', '"arguments"', '"parameters"'];

/** The form of a call in JSON: `begin`{"name": …, `argumentsName`: …}`end`. */
export const jsonForm = ({
  trigger,
  begin,
  argumentsName = 'arguments',
  end,
}: {
  trigger: string;
  begin: string;
  argumentsName?: 'arguments' | 'parameters';
  end: string;
}): CallForm => ({
  trigger,
  tag: (name, parameters) => ({
    begin: `${begin}{"name": ${JSON.stringify(name)}, "${argumentsName}": `,
    content: { type: 'json_schema', json_schema: parameters },
    end: `}${end}`,
  }),
});

/**
 * Reads calls in JSON: one object, several with or without a comma or semicolon between them, or a
 * list, and then one of the marks in `ends`, if it is there.
 *
 *   object → arguments → after → fields → between → object …
 *
 * A call whose fields are in an unusual order is returned as soon as its object is complete.
 */
export class JsonCallReader extends CallSteps {
  readonly #ends: readonly string[];
  readonly #needsArguments: boolean;
  #state: 'object' | 'arguments' | 'after' | 'fields' | 'between' = 'object';
  #value = new JsonValueEnd();
  /** Number of characters in `held` that `#value` has read while the state is `object`. */
  #seen = 0;
  #list: 'none' | 'open' | 'closed' = 'none';

  /** With `needsArguments`, an object without arguments is no call. */
  constructor(ends: readonly string[], { needsArguments = false } = {}) {
    super();
    this.#ends = ends;
    this.#needsArguments = needsArguments;
  }

  protected step(parts: AnswerPart[]): boolean {
    switch (this.#state) {
      case 'object':
        return this.#readObject(parts);
      case 'arguments':
        return this.#readArguments(parts);
      case 'after':
        return this.#readAfter();
      case 'fields':
        return this.#readFields();
      case 'between':
        return this.#readBetween();
    }
  }

  #readObject(parts: AnswerPart[]): boolean {
    const begun = BEGUN.exec(this.held.slice(0, MOST_HEAD));
    const name = begun === null ? undefined : jsonIn(begun[2] as string);
    if (begun !== null && typeof name === 'string' && name !== '') {
      if (begun[1] !== undefined) this.#list = 'open';
      this.#enter('arguments', this.held.slice(begun[0].length));
      this.calls += 1;
      parts.push({ k: 'call', name });
      return true;
    }
    const start = /^\s*(\[\s*)?/.exec(this.held) as RegExpExecArray;
    const object = this.held.slice(start[0].length, start[0].length + MOST_HEAD);
    if (start[0].length > MOST_HEAD || !mayBeCall(object)) return this.finish(this.held);
    this.#seen = Math.max(this.#seen, start[0].length);
    const length = this.#value.push(this.held.slice(this.#seen));
    this.#seen += length;
    if (!this.#value.isOver) return false;
    const call = callIn(this.held.slice(start[0].length, this.#seen));
    if (call === undefined || (this.#needsArguments && !call.hasArguments))
      return this.finish(this.held);
    if (start[1] !== undefined) this.#list = 'open';
    this.#enter('between', this.held.slice(this.#seen));
    this.calls += 1;
    parts.push({ k: 'call', name: call.name }, { k: 'arguments', text: call.args });
    return true;
  }

  #readArguments(parts: AnswerPart[]): boolean {
    const length = this.#value.push(this.held);
    if (length > 0) parts.push({ k: 'arguments', text: this.held.slice(0, length) });
    this.held = this.held.slice(length);
    if (!this.#value.isOver) return false;
    this.#enter('after', this.held);
    return true;
  }

  /** After the arguments: the end of the call, or further fields. Some models forget the brace. */
  #readAfter(): boolean {
    const rest = this.held.trimStart();
    if (rest === '' || /^,\s*$/.test(rest)) return false;
    if (/^,\s*"/.test(rest)) {
      this.#enter('fields', rest);
      this.#value.push('{');
    } else this.#enter('between', rest.startsWith('}') ? rest.slice(1) : rest);
    return true;
  }

  /** Skips fields after the arguments, such as an id. */
  #readFields(): boolean {
    const length = this.#value.push(this.held);
    this.held = this.held.slice(length);
    if (!this.#value.isOver) return false;
    this.#enter('between', this.held);
    return true;
  }

  #readBetween(): boolean {
    const rest = this.held.trimStart();
    const end = this.#ends.find((mark) => rest.startsWith(mark));
    if (end !== undefined) return this.finish(rest.slice(end.length));
    if (rest === '' || this.#ends.some((mark) => mark.startsWith(rest))) return false;
    if (this.#list === 'open' && rest.startsWith(']')) {
      this.#list = 'closed';
      this.held = rest.slice(1);
      return true;
    }
    const next = rest.replace(/^[,;]?\s*/, '');
    if (this.#list === 'closed' || !(next === '' || next.startsWith('{'))) return this.finish(rest);
    if (next === '') return false;
    this.#enter('object', next);
    return true;
  }

  #enter(state: 'object' | 'arguments' | 'after' | 'fields' | 'between', held: string): void {
    this.#state = state;
    this.held = held;
    this.#value = new JsonValueEnd();
    this.#seen = 0;
  }
}

/** False if a text, which may be cut, cannot become the object of a call. */
function mayBeCall(text: string): boolean {
  const begun = /^\{\s*/.exec(text);
  if (begun === null) return text === '';
  const key = text.slice(begun[0].length);
  return KEYS.some((name) => name.startsWith(key) || key.startsWith(name));
}

/**
 * Parses a whole call. Returns undefined if the text is not a JSON object with a name, which may
 * stand in the field `function`. Some models write the arguments as a text of JSON.
 */
export function callIn(
  text: string,
): { readonly name: string; readonly args: string; readonly hasArguments: boolean } | undefined {
  const whole = jsonIn(text);
  if (!isObject(whole)) return undefined;
  const call = isObject(whole['function']) ? whole['function'] : whole;
  const { name, arguments: given, parameters } = call;
  if (typeof name !== 'string' || name === '') return undefined;
  const value = given ?? parameters;
  const args =
    typeof value === 'string' && isObject(jsonIn(value)) ? value : JSON.stringify(value ?? {});
  return { name, args, hasArguments: value !== undefined };
}

/** Parses the model's output, which may be any text. Returns undefined if it is not valid JSON. */
function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
