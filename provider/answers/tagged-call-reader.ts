import { isObject } from '../models/json.ts';
import type { AnswerPart } from './format.ts';
import { type CallReader, MOST_HEAD, type SchemaOf } from './marked-text-reader.ts';
import { isPartOf } from './stop-strings.ts';

/** How a format writes a call in which each argument has tags of its own. */
export interface ArgumentTags {
  /** Matches the beginning of a call, with the name of the tool as its first group. */
  readonly call: RegExp;
  /** Matches a text that may become the beginning of a call. */
  readonly mayBeCall: RegExp;
  /** The text with which an argument begins. */
  readonly mark: string;
  /** Matches the text before a value, with the name of the argument as its first group. */
  readonly argument: RegExp;
  readonly valueEnd: string;
  /** Matches what separates a value from its tags, and does not belong to it. */
  readonly margin: RegExp;
  /** The text after the last argument. */
  readonly end: string;
  /** The text after a call. A model may leave it out. */
  readonly callEnd: string;
}

/**
 * Reads one call in which each argument has a tag of its own.
 *
 *   name → arguments → end
 */
export class TaggedCallReader implements CallReader {
  calls = 0;
  rest: string | undefined;
  readonly #tags: ArgumentTags;
  readonly #schemaOf: SchemaOf;
  #held = '';
  #arguments: ParameterReader | undefined;

  constructor(tags: ArgumentTags, schemaOf: SchemaOf) {
    this.#tags = tags;
    this.#schemaOf = schemaOf;
  }

  push(text: string): AnswerPart[] {
    this.#held += text;
    const parts: AnswerPart[] = [];
    if (this.#arguments === undefined) this.#readName(parts);
    if (this.#arguments !== undefined) this.#readArguments(this.#arguments, parts);
    return parts;
  }

  end(): string {
    return this.calls === 0 ? this.#held : '';
  }

  #readName(parts: AnswerPart[]): void {
    const { call, mayBeCall } = this.#tags;
    const head = this.#held.slice(0, MOST_HEAD);
    const begun = call.exec(head);
    if (begun === null) {
      if (this.#held.length > MOST_HEAD || !mayBeCall.test(head.trimStart()))
        this.rest = this.#held;
      return;
    }
    const name = (begun[1] as string).trim();
    this.#held = this.#held.slice(begun[0].length);
    this.#arguments = new ParameterReader(this.#tags, this.#schemaOf(name));
    this.calls = 1;
    parts.push({ k: 'call', name });
  }

  #readArguments(reader: ParameterReader, parts: AnswerPart[]): void {
    if (!reader.isOver) {
      const { json, rest } = reader.push(this.#held);
      if (json !== '') parts.push({ k: 'arguments', text: json });
      this.#held = rest;
    }
    if (!reader.isOver) return;
    const { callEnd } = this.#tags;
    const rest = this.#held.trimStart();
    if (rest !== callEnd && callEnd.startsWith(rest)) return;
    this.rest = rest.startsWith(callEnd) ? rest.slice(callEnd.length) : rest;
  }
}

/**
 * Reads the arguments of a call in which each one has a tag of its own, and returns them as JSON. A
 * value is text, as it stands, if the tool's schema says so or if it is no JSON.
 */
class ParameterReader {
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
    let mayGoOn: boolean;
    for (;;) {
      const found = argument.exec(rest.slice(0, MOST_HEAD));
      const end = found === null ? -1 : rest.indexOf(valueEnd, found[0].length);
      mayGoOn = found !== null || (rest.length <= MOST_HEAD && this.#isBeginning(rest.trimStart()));
      if (found === null || end === -1) break;
      const key = (found[1] as string).trim();
      const value = rest.slice(found[0].length, end).replace(margin, '');
      json += `${this.#count === 0 ? '{' : ', '}${JSON.stringify(key)}: ${this.#json(key, value)}`;
      this.#count += 1;
      rest = rest.slice(end + valueEnd.length);
    }
    if (!mayGoOn) {
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
