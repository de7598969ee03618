/** An object or a list that is open, and what may come next in it. */
interface Open {
  readonly end: '}' | ']';
  isEmpty: boolean;
  next: 'key' | 'value' | 'comma';
}

/**
 * Turns the arguments of a call of Gemma 4 into JSON while they arrive:
 * `{city:<|"|>Oslo<|"|>,days:3}` becomes `{"city": "Oslo", "days": 3}`. A text stands between two control
 * tokens, without escapes, and a key has no quotes.
 *
 * Invariant: everything returned up to and including `end` is one valid object, whatever was read.
 */
export class Gemma4Arguments {
  readonly #open: Open[] = [{ end: '}', isEmpty: true, next: 'key' }];
  /** Characters outside of texts that are not returned yet: a key, a number, true, false or null. */
  #word = '';
  #isText = false;
  /** True within quotes of JSON, which the model sometimes writes instead of control tokens. */
  #isQuoted = false;
  #isEscaped = false;
  #isBegun = false;

  /** Reads what follows the first brace. */
  push(text: string): string {
    if (this.#isText) return escaped(text);
    let json = this.#begin();
    for (const character of text) json += this.#read(character);
    return json;
  }

  /** Reads the control token that stands before and after a text. */
  quote(): string {
    if (this.#isText) {
      this.#isText = false;
      return `"${this.#afterItem()}`;
    }
    const json = this.#begin() + this.#endWord();
    const before = this.#beforeItem();
    if (before === undefined) return json;
    this.#isText = true;
    return `${json}${before}"`;
  }

  /** Closes everything that is open. */
  end(): string {
    let json = this.#begin() + (this.#isText ? this.quote() : '');
    while (this.#open.length > 0) json += this.#close();
    return json;
  }

  #begin(): string {
    if (this.#isBegun) return '';
    this.#isBegun = true;
    return '{';
  }

  #read(character: string): string {
    if (this.#isQuoted) return this.#readQuoted(character);
    switch (character) {
      case '{':
      case '[':
        return this.#openNext(character);
      case '}':
      case ']':
        return this.#close();
      case ',':
        return this.#separate();
      case ':':
        // In a value, a colon without a word before it belongs to the key in quotes before it.
        if (this.#open.at(-1)?.next === 'key' || this.#word.trim() === '') return this.#endWord();
        break;
      case '"':
        this.#isQuoted = this.#word.trim() === '';
        break;
    }
    this.#word += character;
    return '';
  }

  #readQuoted(character: string): string {
    this.#word += character;
    if (this.#isEscaped) this.#isEscaped = false;
    else if (character === '\\') this.#isEscaped = true;
    else if (character === '"') this.#isQuoted = false;
    return '';
  }

  #openNext(character: '{' | '['): string {
    const json = this.#endWord();
    if (this.#open.at(-1)?.next !== 'value') return json;
    const before = this.#beforeItem() ?? '';
    this.#afterItem();
    const isObject = character === '{';
    this.#open.push({
      end: isObject ? '}' : ']',
      isEmpty: true,
      next: isObject ? 'key' : 'value',
    });
    return json + before + character;
  }

  #close(): string {
    const json = this.#separate();
    return json + (this.#open.pop()?.end ?? '');
  }

  /** Ends an item of an object or a list. A key without a value gets null. */
  #separate(): string {
    const json = this.#endWord();
    const open = this.#open.at(-1);
    if (open === undefined) return json;
    const isMissing = open.end === '}' && open.next === 'value';
    open.next = open.end === '}' ? 'key' : 'value';
    return isMissing ? `${json}null` : json;
  }

  #endWord(): string {
    const word = this.#word.trim();
    this.#word = '';
    this.#isQuoted = false;
    this.#isEscaped = false;
    if (word === '') return '';
    const isKey = this.#open.at(-1)?.next === 'key';
    const before = this.#beforeItem();
    if (before === undefined) return '';
    return before + (isKey ? keyOf(word) : itemOf(word)) + this.#afterItem();
  }

  /** What stands before the next key or value; undefined if none may follow here. */
  #beforeItem(): string | undefined {
    const open = this.#open.at(-1);
    if (open === undefined || open.next === 'comma') return undefined;
    if (open.end === '}' && open.next === 'value') return '';
    const before = open.isEmpty ? '' : ', ';
    open.isEmpty = false;
    return before;
  }

  #afterItem(): string {
    const open = this.#open.at(-1);
    if (open === undefined) return '';
    const wasKey = open.next === 'key';
    open.next = wasKey ? 'value' : 'comma';
    return wasKey ? ': ' : '';
  }
}

/** The characters of a text within the quotes of JSON. */
const escaped = (text: string): string => JSON.stringify(text).slice(1, -1);

const keyOf = (word: string): string =>
  isJson(word) && word.startsWith('"') ? word : quoted(word);

/** Some templates write Python's None into earlier calls, which the model imitates. */
const itemOf = (word: string): string =>
  word === 'None' ? 'null' : isJson(word) ? word : quoted(word);

const quoted = (word: string): string => JSON.stringify(word);

function isJson(word: string): boolean {
  try {
    JSON.parse(word);
    return true;
  } catch {
    return false;
  }
}
