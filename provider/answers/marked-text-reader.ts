import type {
  AnswerFormat,
  AnswerPart,
  AnswerReader,
  CallForm,
  ModelFacts,
  ReaderOptions,
} from './format.ts';
import { overlap } from './stop-strings.ts';

/**
 * Most characters of a call before its arguments, or of an argument before its value. A longer
 * beginning is none: each new token would search it again from its start.
 */
export const MOST_HEAD = 1_024;

/** Reads what follows a mark: one call or several. */
export interface CallReader {
  /** Number of calls that were read. */
  readonly calls: number;
  /**
   * Undefined while calls may follow, and then the text after them. If there is no call, it is the
   * whole text after the mark.
   */
  readonly rest: string | undefined;
  push(text: string): AnswerPart[];
  /** Ends the answer, and returns the whole text if there is no call. */
  end(): string;
}

/** A text that begins calls. */
interface CallMark {
  readonly text: string;
  /** Where it begins calls: at the beginning of a line or of the answer; anywhere if undefined. */
  readonly at?: 'line' | 'start';
  /** Number of its last characters that belong to the call itself. */
  readonly kept?: number;
  /** The tool that is called, if the mark has its name. */
  readonly tool?: string;
}

/** How calls stand in the text of an answer. */
export interface CallsInText {
  readonly form: CallForm;
  /** Marks that may be control tokens, whose names then count as text. */
  readonly signs?: readonly string[];
  /** The marks that begin calls of these tools. */
  marks(tools: readonly string[]): readonly CallMark[];
  /** `schemaOf` returns the JSON schema of a tool's arguments, if the request has one. */
  reader(mark: CallMark, schemaOf: SchemaOf): CallReader;
}

export type SchemaOf = (tool: string) => unknown;

interface Options extends ReaderOptions {
  readonly calls: CallsInText | undefined;
  /** True if the model may write its reasoning between <think> and </think>. */
  readonly thinks: boolean;
  /** Tags around the text of an answer, which do not belong to it. */
  readonly textTags?: readonly string[];
}

const OPEN = '<think>';
const CLOSE = '</think>';

/** A format whose structure is marks in the text, and reasoning between <think> and </think>. */
export function formatWithMarks(
  { template, has }: ModelFacts,
  {
    calls,
    textTags = [],
    ...more
  }: { calls?: CallsInText; textTags?: readonly string[] } & Partial<AnswerFormat> = {},
): AnswerFormat {
  const reasons = more.reasons ?? template.includes(OPEN);
  // Some models write their reasoning in tags that their template does not name, as Phi-4 does.
  const thinks = reasons || (has(OPEN) && has(CLOSE));
  return {
    reasons,
    call: calls?.form,
    reader: (options) => new MarkedTextReader({ ...options, calls, thinks, textTags }),
    beginsThinking: (prompt) => prompt.trimEnd().endsWith(OPEN),
    ...more,
  };
}

/**
 * Separates text, reasoning and tool calls, whose structure is marks in the text.
 *
 *   text ⇄ thinking        text → call → text
 *
 * Invariant: all input is returned in order as text, reasoning or arguments, except for the marks
 * between these parts and the white space around them. Input that begins like a call but is none is
 * returned as text.
 */
class MarkedTextReader implements AnswerReader {
  readonly #thinks: boolean;
  readonly #textTags: readonly string[];
  readonly #marks: readonly CallMark[];
  readonly #calls: CallsInText | undefined;
  readonly #schemaOf: SchemaOf;
  #state: 'text' | 'thinking' | 'call';
  #held = '';
  /** True after text that is not white space. */
  #isBegun: boolean;
  #isLineBegun = true;
  #mark: CallMark = { text: '' };
  #call: CallReader | undefined;
  #callCount = 0;

  constructor({ tools, calls, thinks, thinksFirst, continues, textTags = [] }: Options) {
    this.#thinks = thinks;
    this.#textTags = textTags;
    this.#calls = calls;
    this.#marks =
      tools.length === 0 ? [] : (calls?.marks(tools.map((tool) => tool.function.name)) ?? []);
    this.#schemaOf = (name) =>
      tools.find((tool) => tool.function.name === name)?.function.parameters;
    this.#state = thinksFirst ? 'thinking' : 'text';
    this.#isBegun = continues;
    this.#isLineBegun = !continues;
  }

  get isThinking(): boolean {
    return this.#state === 'thinking';
  }

  get calls(): number {
    return this.#callCount;
  }

  push(text: string): AnswerPart[] {
    this.#held += text;
    const parts: AnswerPart[] = [];
    while (this.#held !== '' && this.#step(parts));
    return parts;
  }

  pushSign(name: string): AnswerPart[] {
    const isMark = this.#marks.length > 0 && this.#calls?.signs?.includes(name) === true;
    return isMark ? this.push(name) : [];
  }

  end(): AnswerPart[] {
    const text = this.#call === undefined ? this.#held : `${this.#markHead()}${this.#call.end()}`;
    const isCall = (this.#call?.calls ?? 0) > 0;
    this.#held = '';
    this.#call = undefined;
    if (text === '' || isCall) return [];
    return [{ k: this.#state === 'thinking' ? 'reasoning' : 'text', text }];
  }

  /** Returns false if further text must arrive first. */
  #step(parts: AnswerPart[]): boolean {
    switch (this.#state) {
      case 'text':
        return this.#readText(parts);
      case 'thinking':
        return this.#readThoughts(parts);
      case 'call':
        return this.#readCall(parts);
    }
  }

  #readText(parts: AnswerPart[]): boolean {
    // White space before the first text belongs to the marks, not to the answer.
    if (!this.#isBegun && (this.#thinks || this.#marks.length > 0))
      this.#held = this.#held.trimStart();
    const marks: readonly CallMark[] = [
      ...(this.#thinks ? [{ text: OPEN, at: 'start' as const }] : []),
      ...this.#textTags.map((text) => ({ text })),
      ...this.#marks,
    ].filter(({ at }: CallMark) => at !== 'start' || !this.#isBegun);
    const found = marks
      .map((mark) => ({ mark, at: this.#placeOf(mark) }))
      .filter(({ at }) => at !== -1)
      .sort((a, b) => a.at - b.at)[0];
    if (found === undefined) {
      const held = Math.max(0, ...marks.map(({ text }) => overlap(this.#held, text)));
      this.#addText(parts, 'text', this.#held.slice(0, this.#held.length - held));
      this.#held = this.#held.slice(this.#held.length - held);
      return false;
    }
    const { mark, at } = found;
    this.#addText(parts, 'text', this.#held.slice(0, at));
    this.#held = this.#held.slice(at + mark.text.length - (mark.kept ?? 0));
    if (mark.text === OPEN) this.#state = 'thinking';
    else if (!this.#textTags.includes(mark.text)) {
      this.#state = 'call';
      this.#mark = mark;
      this.#call = this.#calls?.reader(mark, this.#schemaOf);
    }
    return true;
  }

  /** Returns the position of a mark in the held text, or -1. */
  #placeOf({ text, at }: CallMark): number {
    if (at === 'start') return this.#held.startsWith(text) ? 0 : -1;
    let place = this.#held.indexOf(text);
    if (at !== 'line') return place;
    const isLine = (index: number) =>
      index === 0 ? this.#isLineBegun : this.#held[index - 1] === '\n';
    while (place !== -1 && !isLine(place)) place = this.#held.indexOf(text, place + 1);
    return place;
  }

  #readThoughts(parts: AnswerPart[]): boolean {
    const at = this.#held.indexOf(CLOSE);
    const shown = at === -1 ? this.#held.length - overlap(this.#held, CLOSE) : at;
    this.#addText(parts, 'reasoning', this.#held.slice(0, shown));
    this.#held = this.#held.slice(at === -1 ? shown : at + CLOSE.length);
    if (at !== -1) this.#state = 'text';
    return at !== -1;
  }

  #readCall(parts: AnswerPart[]): boolean {
    const call = this.#call as CallReader;
    const before = call.calls;
    parts.push(...call.push(this.#held));
    this.#callCount += call.calls - before;
    this.#held = '';
    if (call.rest === undefined) return false;
    this.#state = 'text';
    this.#call = undefined;
    this.#isLineBegun = true;
    if (call.calls > 0) {
      this.#isBegun = false;
      this.#held = call.rest;
      return true;
    }
    // The first character is returned with the mark, so that the same mark is not found again.
    const text = `${this.#markHead()}${call.rest}`;
    const length = Math.max(1, this.#markHead().length);
    this.#isBegun = true;
    this.#addText(parts, 'text', text.slice(0, length));
    this.#held = text.slice(length);
    return true;
  }

  /** The part of the mark that does not belong to the call. */
  #markHead(): string {
    const { text, kept = 0 } = this.#mark;
    return text.slice(0, text.length - kept);
  }

  #addText(parts: AnswerPart[], k: 'text' | 'reasoning', text: string): void {
    if (text === '') return;
    parts.push({ k, text });
    if (k === 'reasoning') return;
    this.#isBegun = true;
    this.#isLineBegun = text.endsWith('\n');
  }
}
