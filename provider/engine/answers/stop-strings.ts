/** Finds the first of some strings in a text that comes in pieces, and lets nothing of it out. */
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

  /** What may be shown: what could still become a stop string waits. */
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

  /** What was held back, when no more comes. */
  end(): string {
    const rest = this.#held;
    this.#held = '';
    return this.#found === undefined ? rest : '';
  }
}

/** How many of the last characters of a text are the first of a word, but not the whole word. */
export function overlap(text: string, word: string): number {
  for (let length = Math.min(text.length, word.length - 1); length > 0; length -= 1) if (text.endsWith(word.slice(0, length))) return length;
  return 0;
}
