import { AnswerText } from '../answer-text.ts';
import type { AnswerPart, AnswerReader, CallForm, FormatFamily, ReaderOptions } from '../format.ts';
import { MOST_HEAD } from '../marked-text-reader.ts';
import { Gemma4Arguments } from './gemma4-arguments.ts';
import { gemma4Arguments } from './gemma4-grammar.ts';
import { GEMMA4_CHANNEL, GEMMA4_SIGNS } from './gemma4-signs.ts';

const CALL_FORM: CallForm = {
  trigger: GEMMA4_SIGNS.call,
  tag: (name, parameters) => ({
    begin: `${GEMMA4_SIGNS.call}call:${name}{`,
    content: { type: 'grammar', grammar: gemma4Arguments(parameters) },
    end: `}${GEMMA4_SIGNS.callEnd}`,
  }),
};

/**
 * Gemma 4. The vocabulary decides and not the template, because the model writes its reasoning
 * between these tokens whatever its template says.
 */
export const GEMMA4_FORMAT: FormatFamily = {
  name: 'Gemma 4',
  signs: Object.values(GEMMA4_SIGNS),
  of: ({ template, has }) =>
    has(GEMMA4_SIGNS.thoughts) && has(GEMMA4_SIGNS.thoughtsEnd)
      ? {
          reasons: template.includes(GEMMA4_SIGNS.thoughts),
          call: template.includes(GEMMA4_SIGNS.call) ? CALL_FORM : undefined,
          // The end of its turn, the beginning of another one, and that of a tool's result.
          endTokens: ['<turn|>', '<|turn>', '<|tool_response>'],
          reader: (options) => new Gemma4Reader(options),
          beginsThinking: (prompt) => /<\|channel>(thought)?\s*$/.test(prompt),
        }
      : undefined,
};

/** The beginning of a call, up to the brace that opens its arguments. */
const CALL = /^\s*call:\s*([^\s{]+)\s*\{/;

/**
 * Separates text, reasoning and tool calls of Gemma 4 while an answer arrives. Only control tokens
 * are structure: text that spells their names is content.
 *
 *   text ⇄ thoughts        text or thoughts → call → arguments → text
 *
 * What stands in a channel never becomes text for the client, whatever the channel is called. A call
 * that was not offered is reasoning, and a call without arguments in braces is text.
 */
class Gemma4Reader implements AnswerReader {
  readonly #offersTools: boolean;
  readonly #text: AnswerText;
  #state: 'text' | 'thoughts' | 'call' | 'arguments';
  /** Characters whose meaning depends on the next ones. */
  #held = '';
  #isNamed = false;
  #arguments = new Gemma4Arguments();
  #calls = 0;

  constructor({ tools, continues, thinksFirst }: ReaderOptions) {
    this.#offersTools = tools.length > 0;
    this.#text = new AnswerText(continues);
    this.#state = thinksFirst ? 'thoughts' : 'text';
  }

  get isThinking(): boolean {
    return this.#state === 'thoughts' || (this.#state === 'call' && !this.#offersTools);
  }

  get calls(): number {
    return this.#calls;
  }

  push(text: string): AnswerPart[] {
    if (text === '') return [];
    switch (this.#state) {
      case 'text':
        return this.#text.read(text);
      case 'thoughts':
        return this.#readThoughts(text);
      case 'call':
        return this.#readCall(text);
      case 'arguments':
        return argumentsOf(this.#arguments.push(text));
    }
  }

  pushSign(name: string): AnswerPart[] {
    switch (name) {
      case GEMMA4_SIGNS.thoughts:
        return this.#enter('thoughts');
      case GEMMA4_SIGNS.call:
        return this.#enter('call');
      case GEMMA4_SIGNS.thoughtsEnd:
      case GEMMA4_SIGNS.callEnd:
        return this.#enter('text');
      case GEMMA4_SIGNS.quote:
        return this.#state === 'arguments' ? argumentsOf(this.#arguments.quote()) : [];
      default:
        return [];
    }
  }

  /** Ends the answer. The arguments of a call that was cut stay as they are. */
  end(): AnswerPart[] {
    return this.#state === 'arguments' ? [] : this.#enter('text');
  }

  #enter(state: 'text' | 'thoughts' | 'call'): AnswerPart[] {
    const parts = this.#leave();
    this.#state = state;
    this.#held = '';
    this.#isNamed = false;
    return parts;
  }

  #leave(): AnswerPart[] {
    switch (this.#state) {
      case 'text':
      case 'thoughts':
        return [];
      case 'call':
        return this.#offersTools ? this.#text.read(this.#held) : reasoningOf(this.#held);
      case 'arguments':
        this.#text.restart();
        return argumentsOf(this.#arguments.end());
    }
  }

  /** Leaves out the name of the channel, and line breaks at the end. */
  #readThoughts(text: string): AnswerPart[] {
    this.#held += text;
    if (!this.#isNamed) {
      if (GEMMA4_CHANNEL.startsWith(this.#held) && this.#held !== GEMMA4_CHANNEL) return [];
      this.#isNamed = true;
      if (this.#held.startsWith(GEMMA4_CHANNEL))
        this.#held = this.#held.slice(GEMMA4_CHANNEL.length);
    }
    // A regular expression would search a run of line ends again from each of its characters.
    let end = this.#held.length;
    while (this.#held[end - 1] === '\n') end -= 1;
    const shown = this.#held.slice(0, end);
    this.#held = this.#held.slice(shown.length);
    return reasoningOf(shown);
  }

  #readCall(text: string): AnswerPart[] {
    this.#held += text;
    const begun = this.#offersTools ? CALL.exec(this.#held.slice(0, MOST_HEAD)) : null;
    if (begun === null) return [];
    const rest = this.#held.slice(begun[0].length);
    this.#state = 'arguments';
    this.#held = '';
    this.#arguments = new Gemma4Arguments();
    this.#calls += 1;
    return [{ k: 'call', name: begun[1] as string }, ...argumentsOf(this.#arguments.push(rest))];
  }
}

const reasoningOf = (text: string): AnswerPart[] => (text === '' ? [] : [{ k: 'reasoning', text }]);
const argumentsOf = (text: string): AnswerPart[] => (text === '' ? [] : [{ k: 'arguments', text }]);
