/**
 * Finds the first stop string in a text that arrives in pieces, and withholds the stop string
 * itself.
 */
export class StopStrings {
  readonly #stops: readonly string[];
  #held = '';
  #found: string | undefined;

  constructor(stops: readonly string[]) {
    this.#stops = stops.filter((stop) => stop !== '');
  }

  get found(): string | undefined {
    return this.#found;
  }

  /** Returns the text that may be shown. A suffix that could become a stop string is held back. */
  push(text: string): string {
    if (this.#found !== undefined) return '';
    const whole = this.#held + text;
    let first = -1;
    for (const stop of this.#stops) {
      const at = whole.indexOf(stop);
      if (at === -1 || (first !== -1 && at >= first)) continue;
      first = at;
      this.#found = stop;
    }
    if (first !== -1) {
      this.#held = '';
      return whole.slice(0, first);
    }
    const held = Math.max(0, ...this.#stops.map((stop) => overlap(whole, stop)));
    this.#held = whole.slice(whole.length - held);
    return whole.slice(0, whole.length - held);
  }

  /** Ends the text and returns what was held back, or nothing if a stop string was found. */
  end(): string {
    const rest = this.#held;
    this.#held = '';
    return this.#found === undefined ? rest : '';
  }
}

/** Length of the longest suffix of `text` that is a proper prefix of `word`. */
export function overlap(text: string, word: string): number {
  for (let length = Math.min(text.length, word.length - 1); length > 0; length -= 1)
    if (text.endsWith(word.slice(0, length))) return length;
  return 0;
}

/** True if a text is the beginning of a mark, and not the whole of it. */
export const isPartOf = (text: string, mark: string): boolean =>
  text.length < mark.length && mark.startsWith(text);
