/** Least length of a piece, in characters. Writing the numbers of one takes about a millisecond. */
const PIECE_CHARACTERS = 64 * 1024;

type Members = Readonly<Record<string, unknown>>;

/**
 * A JSON object with a list that is written in pieces, because writing all of it would stop the event
 * loop: two thousand vectors are up to 160 MB of JSON. A member that is an iterator is such a list.
 */
export class LongJson {
  readonly #members: Members;

  constructor(members: Members) {
    this.#members = members;
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
      if (value === undefined) continue;
      yield `${before}${JSON.stringify(name)}:`;
      before = ',';
      if (value instanceof Iterator) yield* listTokens(value);
      else yield JSON.stringify(value);
    }
    yield '}';
  }
}

function* listTokens(items: Iterable<unknown>): Generator<string, void> {
  let before = '[';
  for (const item of items) {
    yield before + JSON.stringify(item);
    before = ',';
  }
  yield before === '[' ? '[]' : ']';
}
