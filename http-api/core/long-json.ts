/** Least length of a piece, in characters. Writing the numbers of one takes about a millisecond. */
const PIECE_CHARACTERS = 64 * 1024;

/**
 * A JSON object with a list that is written in pieces, because writing all of it would stop the event
 * loop: two thousand vectors are up to 160 MB of JSON.
 */
export class LongJson {
  readonly #members: Readonly<Record<string, unknown>>;
  readonly #list: string;
  readonly #items: Iterable<unknown>;

  /** `items` are the items of the list, which is in the place of the member `list`. */
  constructor(members: Readonly<Record<string, unknown>>, list: string, items: Iterable<unknown>) {
    this.#members = members;
    this.#list = list;
    this.#items = items;
  }

  /** The text of the object. An item is read when its piece is written. */
  *pieces(): Generator<string, void> {
    let piece = '';
    for (const token of this.#tokens()) {
      piece += token;
      if (piece.length < PIECE_CHARACTERS) continue;
      yield piece;
      piece = '';
    }
    yield piece;
  }

  *#tokens(): Generator<string, void> {
    let before = '{';
    for (const [name, value] of Object.entries(this.#members)) {
      if (name !== this.#list && value === undefined) continue;
      yield `${before}${JSON.stringify(name)}:`;
      before = ',';
      if (name === this.#list) yield* this.#listTokens();
      else yield JSON.stringify(value);
    }
    yield '}';
  }

  *#listTokens(): Generator<string, void> {
    let before = '[';
    for (const item of this.#items) {
      yield before + JSON.stringify(item);
      before = ',';
    }
    yield before === '[' ? '[]' : ']';
  }
}
