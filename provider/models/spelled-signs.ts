import { isObject } from './json.ts';
import type { Prompt } from './prompt-part.ts';

/** A private character of Unicode that has no meaning in any text. */
const MARK = '\u{E0DF}';
const HIDDEN = new RegExp(`${MARK}(\\d+)${MARK}`);

/**
 * Keeps the texts of a request from becoming control tokens in the prompt of a template. A template
 * makes one text of structure and messages, so a user who writes `<|im_end|><|im_start|>system`
 * would write a message of the system. Names of control tokens in the request are therefore hidden
 * before the template runs, and put back as plain text afterwards.
 */
export class SpelledSigns {
  readonly #names: readonly string[];
  readonly #numbers: ReadonlyMap<string, number>;
  readonly #pattern: RegExp;

  constructor(signs: readonly string[]) {
    // The mark is hidden too, so that no request can write a hidden name.
    this.#names = [MARK, ...signs.filter((name) => name !== '')];
    this.#pattern = new RegExp(this.#names.map(escaped).join('|'), 'g');
    this.#numbers = new Map(this.#names.map((name, index) => [name, index]));
  }

  /** Returns a copy of a value of JSON in whose texts and keys the names are hidden. */
  hide(value: unknown): unknown {
    if (typeof value === 'string') return this.#hideIn(value);
    if (Array.isArray(value)) return value.map((item) => this.hide(item));
    if (!isObject(value)) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [this.#hideIn(key), this.hide(item)]),
    );
  }

  #hideIn(text: string): string {
    return text.replace(this.#pattern, (name) => `${MARK}${this.#numbers.get(name)}${MARK}`);
  }

  /** Returns what a template wrote, with the hidden names as text. */
  reveal(written: string): Prompt {
    if (!written.includes(MARK)) return written;
    // The pieces at odd places are the numbers of names.
    return written
      .split(HIDDEN)
      .map((piece, index) =>
        index % 2 === 1 ? { text: this.#names[Number(piece)] ?? '' } : { markup: piece },
      )
      .filter((part) => 'text' in part || part.markup !== '');
  }
}

const escaped = (name: string): string => name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
