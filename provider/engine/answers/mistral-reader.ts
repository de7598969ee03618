import { MISTRAL_SIGNS } from '../../models/mistral-format.ts';
import type { AnswerPart } from './answer-reader.ts';
import { callIn, JsonValueEnd } from './json-calls.ts';
import { AnswerText, type SignReaderOptions } from './sign-reader.ts';

/**
 * Separates text, reasoning and tool calls of Mistral's models while an answer arrives. Only control
 * tokens are structure: text that spells their names is content.
 *
 *   text ⇄ thoughts        text or thoughts → name (→ id) → arguments → name …
 *                          text or thoughts → name → list
 *
 * A call that was not offered is reasoning, and what stands in the place of a call but is none is text.
 */
export class MistralReader {
  readonly #offersTools: boolean;
  readonly #text: AnswerText;
  #state: 'text' | 'thoughts' | 'name' | 'id' | 'arguments' | 'list';
  /** Characters that are not returned yet. */
  #held = '';
  #value = new JsonValueEnd();
  #hasValue = false;
  #calls = 0;

  constructor({ offersTools, continues, thinksFirst }: SignReaderOptions) {
    this.#offersTools = offersTools;
    this.#text = new AnswerText(continues);
    this.#state = thinksFirst ? 'thoughts' : 'text';
  }

  get isThinking(): boolean {
    return this.#state === 'thoughts';
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
        return [{ k: 'reasoning', text }];
      case 'id':
        return [];
      case 'name':
        return this.#readName(text);
      case 'arguments':
        return this.#readArguments(text);
      case 'list':
        return this.#readList(text);
    }
  }

  /** Accepts a control token by its name. */
  pushSign(name: string): AnswerPart[] {
    switch (name) {
      case MISTRAL_SIGNS.thoughts:
        return this.#enter('thoughts');
      case MISTRAL_SIGNS.thoughtsEnd:
        return this.#state === 'thoughts' ? this.#enter('text') : [];
      case MISTRAL_SIGNS.call:
        return this.#enter('name');
      case MISTRAL_SIGNS.callId:
        if (this.#state === 'name') this.#state = 'id';
        return [];
      case MISTRAL_SIGNS.callArguments:
        return this.#state === 'name' || this.#state === 'id' ? this.#beginCall('') : [];
      default:
        return [];
    }
  }

  /** Ends the answer. The arguments of a call that was cut stay as they are. */
  end(): AnswerPart[] {
    return this.#enter('text');
  }

  #enter(state: 'text' | 'thoughts' | 'name'): AnswerPart[] {
    const rest = this.#held;
    const isText = this.#state === 'name' || this.#state === 'list';
    this.#state = state;
    this.#held = '';
    if (!isText || rest.trim() === '') return [];
    return this.#offersTools ? this.#text.read(rest) : [{ k: 'reasoning', text: rest }];
  }

  /** Some models leave out the control token between the name and the arguments. */
  #readName(text: string): AnswerPart[] {
    this.#held += text;
    const begun = this.#held.trimStart();
    if (begun.startsWith('[') || begun.startsWith('{')) {
      const list = this.#held;
      this.#held = '';
      this.#state = 'list';
      this.#value = new JsonValueEnd();
      return this.#readList(list);
    }
    const at = this.#held.indexOf('{');
    if (at === -1) return [];
    const rest = this.#held.slice(at);
    this.#held = this.#held.slice(0, at);
    return this.#beginCall(rest);
  }

  #beginCall(rest: string): AnswerPart[] {
    const name = this.#held.trim();
    this.#held = '';
    this.#state = 'arguments';
    this.#value = new JsonValueEnd();
    this.#hasValue = false;
    const made = this.#readArguments(rest);
    if (!this.#offersTools) return [{ k: 'reasoning', text: name }, ...made];
    this.#calls += 1;
    return [{ k: 'call', name }, ...made];
  }

  #readArguments(given: string): AnswerPart[] {
    const text = this.#hasValue ? given : given.trimStart();
    if (text === '') return [];
    this.#hasValue = true;
    const length = this.#value.push(text);
    const rest = text.slice(length);
    const k = this.#offersTools ? 'arguments' : 'reasoning';
    const made: AnswerPart[] = length === 0 ? [] : [{ k, text: text.slice(0, length) }];
    if (!this.#value.isOver) return made;
    this.#state = 'name';
    return rest === '' ? made : [...made, ...this.#readName(rest)];
  }

  /** Reads the calls of a list, each as soon as it is complete. */
  #readList(text: string): AnswerPart[] {
    const made: AnswerPart[] = [];
    for (const character of text) {
      if (this.#held === '' && /[\s[\],]/.test(character)) continue;
      this.#held += character;
      this.#value.push(character);
      if (!this.#value.isOver) continue;
      made.push(...this.#listed(this.#held));
      this.#held = '';
      this.#value = new JsonValueEnd();
    }
    return made;
  }

  #listed(text: string): AnswerPart[] {
    if (!this.#offersTools) return [{ k: 'reasoning', text }];
    const call = callIn(text);
    if (call === undefined) return this.#text.read(text);
    this.#calls += 1;
    return [
      { k: 'call', name: call.name },
      { k: 'arguments', text: call.args },
    ];
  }
}
