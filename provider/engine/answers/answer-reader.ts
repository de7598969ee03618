import type { ToolStyle } from '../../models/tool-style.ts';
import { callIn, JsonValueEnd, jsonIn } from './json-calls.ts';
import { callBegunIn, ParameterReader, type SchemaOf, tagsOf } from './parameter-reader.ts';
import { overlap } from './stop-strings.ts';

/** A part of a model's answer with its kind. */
export type AnswerPart =
  | { readonly k: 'text' | 'reasoning'; readonly text: string }
  | { readonly k: 'call'; readonly name: string }
  | { readonly k: 'arguments'; readonly text: string };

export interface ReaderOptions {
  /** The style of tool calls to recognise; undefined if no tools are offered. */
  readonly tools: ToolStyle | undefined;
  /** Returns the schema of a tool's arguments. */
  readonly schemaOf?: SchemaOf;
  /** True if the model may write its reasoning between <think> and </think>. */
  readonly thinks: boolean;
  /** True if the prompt ended with <think>, so that the answer begins with reasoning. */
  readonly thinksFirst: boolean;
  /** Tags around the text of an answer, which do not belong to it. */
  readonly textTags?: readonly string[];
}

const OPEN = '<think>';
const CLOSE = '</think>';

/**
 * Separates text, reasoning and tool calls while an answer arrives.
 *
 *   text ⇄ thinking        text → call → arguments (or parameters → end) → text
 *
 * Invariant: all input is returned in order as text, reasoning or arguments, except for the marks
 * between these parts and the white space around them. Input that begins like a call but is not
 * valid is returned as text.
 */
export class AnswerReader {
  readonly #options: ReaderOptions;
  #state: 'text' | 'thinking' | 'call' | 'arguments' | 'parameters' | 'end';
  #held = '';
  #value = new JsonValueEnd();
  #parameters: ParameterReader | undefined;
  #begun = false;
  #calls = 0;

  constructor(options: ReaderOptions) {
    this.#options = options;
    this.#state = options.thinksFirst ? 'thinking' : 'text';
  }

  get isThinking(): boolean {
    return this.#state === 'thinking';
  }

  get calls(): number {
    return this.#calls;
  }

  push(text: string): AnswerPart[] {
    this.#held += text;
    const parts: AnswerPart[] = [];
    for (let before = ''; before !== `${this.#state} ${this.#held}`; ) {
      before = `${this.#state} ${this.#held}`;
      if (this.#held !== '') this.#read(parts);
    }
    return parts;
  }

  /** Accepts a control token by its name. In some formats calls begin with one. */
  pushSign(name: string): AnswerPart[] {
    return name === this.#options.tools?.trigger ? this.push(name) : [];
  }

  /** Ends the answer and returns what was held back. */
  end(): AnswerPart[] {
    const rest = this.#held;
    this.#held = '';
    if (this.#state === 'call') return this.#whole(rest, true);
    if (rest === '' || ['arguments', 'parameters', 'end'].includes(this.#state)) return [];
    return [{ k: this.#state === 'thinking' ? 'reasoning' : 'text', text: rest }];
  }

  #read(parts: AnswerPart[]): void {
    switch (this.#state) {
      case 'text':
        return this.#readText(parts);
      case 'thinking':
        return this.#readThoughts(parts);
      case 'call':
        return this.#readCall(parts);
      case 'arguments':
        return this.#readArguments(parts);
      case 'parameters':
        return this.#readParameters(parts);
      case 'end':
        return this.#readEnd();
    }
  }

  #readText(parts: AnswerPart[]): void {
    const { tools, thinks, textTags = [] } = this.#options;
    // White space before the first text belongs to the marks, not to the answer.
    if (!this.#begun && (thinks || tools)) this.#held = this.#held.trimStart();
    const marks = [
      ...(thinks && !this.#begun ? [OPEN] : []),
      ...(tools && (!tools.onlyFirst || !this.#begun) ? [tools.trigger] : []),
      ...textTags,
    ];
    const found = marks
      .map((mark) => ({ mark, at: this.#held.indexOf(mark) }))
      .filter(
        ({ mark, at }) =>
          at === 0 ||
          (at > 0 && (textTags.includes(mark) || (mark === tools?.trigger && !tools.onlyFirst))),
      );
    const first = found.sort((a, b) => a.at - b.at)[0];
    if (first === undefined) {
      const held = Math.max(0, ...marks.map((mark) => overlap(this.#held, mark)));
      this.#addText(parts, 'text', this.#held.slice(0, this.#held.length - held));
      this.#held = this.#held.slice(this.#held.length - held);
      return;
    }
    this.#addText(parts, 'text', this.#held.slice(0, first.at));
    const isCall = first.mark === tools?.trigger;
    // The trigger of a bare call is part of the call itself, so it is not skipped.
    this.#held = this.#held.slice(
      first.at + (isCall && tools?.begin === '' ? 0 : first.mark.length),
    );
    if (!textTags.includes(first.mark)) this.#state = isCall ? 'call' : 'thinking';
  }

  #readThoughts(parts: AnswerPart[]): void {
    const at = this.#held.indexOf(CLOSE);
    const shown = at === -1 ? this.#held.length - overlap(this.#held, CLOSE) : at;
    this.#addText(parts, 'reasoning', this.#held.slice(0, shown));
    this.#held = this.#held.slice(at === -1 ? shown : at + CLOSE.length);
    if (at !== -1) this.#state = 'text';
  }

  #readCall(parts: AnswerPart[]): void {
    const { tools, schemaOf } = this.#options;
    const tags = tagsOf(tools?.form);
    const called = tags && callBegunIn(this.#held, tags);
    if (tags && called) {
      this.#held = called.rest;
      this.#state = 'parameters';
      this.#parameters = new ParameterReader(tags, schemaOf?.(called.name));
      this.#calls += 1;
      parts.push({ k: 'call', name: called.name });
      return;
    }
    const begun =
      /^\s*\[?\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"(?:arguments|parameters)"\s*:\s*(?=\S)/.exec(
        this.#held,
      );
    const name = begun === null ? undefined : stringIn(begun[1] as string);
    if (begun !== null && name !== undefined && name !== '') {
      this.#held = this.#held.slice(begun[0].length);
      this.#state = 'arguments';
      this.#value = new JsonValueEnd();
      this.#calls += 1;
      parts.push({ k: 'call', name });
      return;
    }
    const end = tools?.end.trim() ?? '';
    const at = end === '' ? -1 : this.#held.indexOf(end);
    if (at === -1) return;
    const call = this.#held.slice(0, at);
    this.#held = this.#held.slice(at + end.length);
    this.#state = 'text';
    parts.push(...this.#whole(call, false));
  }

  #readArguments(parts: AnswerPart[]): void {
    const length = this.#value.isOver ? 0 : this.#value.push(this.#held);
    if (length > 0) parts.push({ k: 'arguments', text: this.#held.slice(0, length) });
    this.#held = this.#held.slice(length);
    if (!this.#value.isOver) return;
    // After the arguments only the closing brace of the call and its end mark remain.
    const end = this.#options.tools?.end.trim() ?? '';
    const rest = this.#held.trimStart();
    const wanted = `}${end}`;
    const squeezed = rest.replace(/^\}\s*/, '}');
    if (squeezed.startsWith(wanted)) {
      this.#held = squeezed.slice(wanted.length);
      this.#state = 'text';
      this.#begun = false;
    } else if (end.startsWith(']') && squeezed.startsWith('},')) {
      // The next call of a list.
      this.#held = squeezed.slice(2);
      this.#state = 'call';
    } else if (!wanted.startsWith(squeezed.trimEnd())) {
      this.#state = 'text';
    }
  }

  #readParameters(parts: AnswerPart[]): void {
    const reader = this.#parameters as ParameterReader;
    const { json, rest } = reader.push(this.#held);
    if (json !== '') parts.push({ k: 'arguments', text: json });
    this.#held = rest;
    if (reader.isOver) this.#state = 'end';
  }

  /** Skips the mark at the end of a call with parameters. */
  #readEnd(): void {
    const mark = this.#options.tools?.end.trim() ?? '';
    const rest = this.#held.trimStart();
    if (mark.startsWith(rest) && rest !== mark) return;
    this.#held = rest.startsWith(mark) ? rest.slice(mark.length) : rest;
    this.#state = 'text';
    this.#begun = false;
  }

  /**
   * Reads a call whose fields are in another order, or returns text that only began like a call.
   */
  #whole(text: string, isLast: boolean): AnswerPart[] {
    const call = callIn(text);
    if (call !== undefined) {
      this.#calls += 1;
      return [
        { k: 'call', name: call.name },
        { k: 'arguments', text: call.args },
      ];
    }
    const { tools } = this.#options;
    const mark = tools?.begin === '' ? '' : (tools?.trigger ?? '');
    return [{ k: 'text', text: `${mark}${text}${isLast ? '' : (tools?.end.trim() ?? '')}` }];
  }

  #addText(parts: AnswerPart[], k: 'text' | 'reasoning', text: string): void {
    if (text === '') return;
    if (k === 'text') this.#begun = true;
    parts.push({ k, text });
  }
}

/** Parses a JSON string literal. Returns undefined if it is not valid. */
function stringIn(json: string): string | undefined {
  const value = jsonIn(json);
  return typeof value === 'string' ? value : undefined;
}
