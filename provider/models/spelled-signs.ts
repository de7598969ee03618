import { isObject } from './json.ts';
import { ModelError } from './model-error.ts';
import type { Prompt } from './prompt-part.ts';

/** A private character of Unicode that has no meaning in any text. */
const MARK = '\u{E0DF}';
const HIDDEN = new RegExp(`${MARK}(\\d+)${MARK}`);
/** Maximum number of texts of a request that are hidden, because each is tokenized on its own. */
const MAX_HIDDEN = 1_000;

/**
 * Keeps the texts of a request from becoming control tokens in the prompt of a template. A template
 * makes one text of structure and messages, so a user who writes `<|im_end|><|im_start|>system`
 * would write a message of the system. What a text has from the first name of a control token to the
 * last is therefore hidden before the template runs, and put back as plain text afterwards.
 */
export class SpelledSigns {
  readonly #pattern: RegExp;

  constructor(signs: readonly string[]) {
    // The mark is hidden too, so that no request can write a hidden text.
    const names = [MARK, ...signs.filter((name) => name !== '')];
    this.#pattern = new RegExp(names.map(escaped).join('|'), 'g');
  }

  /**
   * Returns a copy of a value of JSON in whose texts and keys the names are hidden. Adds the hidden
   * texts to `hidden`.
   */
  hide(value: unknown, hidden: string[]): unknown {
    if (typeof value === 'string') return this.#hideIn(value, hidden);
    if (Array.isArray(value)) return value.map((item) => this.hide(item, hidden));
    if (!isObject(value)) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [
        this.#hideIn(key, hidden),
        this.hide(item, hidden),
      ]),
    );
  }

  #hideIn(text: string, hidden: string[]): string {
    let [start, end] = [-1, -1];
    for (const { 0: name, index } of text.matchAll(this.#pattern)) {
      if (start === -1) start = index;
      end = index + name.length;
    }
    if (start === -1) return text;
    if (hidden.length === MAX_HIDDEN)
      throw new ModelError(
        'too_many',
        `more than ${MAX_HIDDEN} texts of the request spell control tokens of the model`,
      );
    hidden.push(text.slice(start, end));
    return `${text.slice(0, start)}${MARK}${hidden.length - 1}${MARK}${text.slice(end)}`;
  }

  /** Returns what a template wrote, with the hidden texts as text. */
  reveal(written: string, hidden: readonly string[]): Prompt {
    if (!written.includes(MARK)) return written;
    // The pieces at odd places are the numbers of hidden texts.
    return written
      .split(HIDDEN)
      .map((piece, index) =>
        index % 2 === 1 ? { text: hidden[Number(piece)] ?? '' } : { markup: piece },
      )
      .filter((part) => 'text' in part || part.markup !== '');
  }
}

const escaped = (name: string): string => name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
