import { CodedError } from '#bus-schemas/coded-error.ts';

/**
 * Reads property lists in XML, as devices send them to MDM. Nothing is expanded: only the five
 * entities of XML and numeric characters are read. A document with its own declarations is refused,
 * like everything else that Apple does not write, because entities could make a small document huge
 * or read files.
 */
export type Plist = string | boolean | Uint8Array | readonly Plist[] | ReadonlyMap<string, Plist>;

export class PlistError extends CodedError<'malformed_plist'> {
  constructor(message: string, options?: ErrorOptions) {
    super('malformed_plist', message, options);
  }
}

interface Tag {
  readonly name: string;
  readonly is: 'start' | 'end' | 'empty';
}
type Token = Tag | string;

const MAX_DEPTH = 16;
/** The XML declaration, the document type and comments are skipped. */
const TOKEN =
  /<\?[^<>]*\?>|<!DOCTYPE[^[\]<>]*>|<!--(?:(?!--)[\s\S])*-->|<(\/?)([a-z]+)(?: version="[^"<>]*")?[ \t\r\n]*(\/?)>|([^<]+)/gy;
const ENTITY = /&(?:(amp|lt|gt|quot|apos)|#(\d{1,7})|#x([0-9A-Fa-f]{1,6}));|&/g;
const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
};
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const LAST_CHARACTER = 0x10ffff;

/** Throws PlistError. Numbers and dates are returned as text. */
export function readPlist(bytes: Uint8Array): Plist {
  const reader = new Reader(textIn(bytes));
  reader.expect('plist', 'start');
  const value = reader.value(0);
  reader.expect('plist', 'end');
  if (reader.next() !== undefined) throw new PlistError('the document continues after the list');
  return value;
}

class Reader {
  readonly #tokens: Iterator<Token>;

  constructor(text: string) {
    this.#tokens = tokensOf(text);
  }

  /** Returns the next token; skips white space between elements. */
  next(): Token | undefined {
    for (;;) {
      const { value, done } = this.#tokens.next();
      if (done) return undefined;
      if (typeof value !== 'string' || value.trim() !== '') return value;
    }
  }

  expect(name: string, is: Tag['is']): void {
    if (!isTag(this.next(), name, is)) throw new PlistError(`${is} of ${name} is missing`);
  }

  value(depth: number): Plist {
    const token = this.next();
    if (token === undefined || typeof token === 'string')
      throw new PlistError('a value is missing');
    return this.#valueOf(token, depth);
  }

  #valueOf({ name, is }: Tag, depth: number): Plist {
    if (is === 'end' || depth > MAX_DEPTH)
      throw new PlistError(is === 'end' ? 'a value is missing' : 'the list is nested too deeply');
    const isEmpty = is === 'empty';
    switch (name) {
      case 'true':
      case 'false':
        if (!isEmpty) this.expect(name, 'end');
        return name === 'true';
      case 'string':
      case 'integer':
      case 'real':
      case 'date':
        return isEmpty ? '' : this.#text(name);
      case 'data':
        return isEmpty ? new Uint8Array() : dataIn(this.#text(name));
      case 'array':
        return isEmpty ? [] : this.#array(depth);
      case 'dict':
        return isEmpty ? new Map() : this.#dict(depth);
      default:
        throw new PlistError('an element is unknown');
    }
  }

  #array(depth: number): Plist[] {
    const items: Plist[] = [];
    for (;;) {
      const token = this.next();
      if (isTag(token, 'array', 'end')) return items;
      if (token === undefined || typeof token === 'string')
        throw new PlistError('an array does not end');
      items.push(this.#valueOf(token, depth + 1));
    }
  }

  #dict(depth: number): Map<string, Plist> {
    const fields = new Map<string, Plist>();
    for (;;) {
      const token = this.next();
      if (isTag(token, 'dict', 'end')) return fields;
      if (!isTag(token, 'key', 'start')) throw new PlistError('a key is missing');
      const key = this.#text('key');
      // If a key occurs twice, two readers could use different values.
      if (fields.has(key)) throw new PlistError('a key occurs twice');
      fields.set(key, this.value(depth + 1));
    }
  }

  /** Reads the text up to the end of the element, without comments. */
  #text(name: string): string {
    let text = '';
    for (;;) {
      const { value, done } = this.#tokens.next();
      if (done || (typeof value !== 'string' && !isTag(value, name, 'end')))
        throw new PlistError(`${name} does not end`);
      if (typeof value !== 'string') return text;
      text += value;
    }
  }
}

function* tokensOf(text: string): Generator<Token> {
  const pattern = new RegExp(TOKEN);
  while (pattern.lastIndex < text.length) {
    const found = pattern.exec(text);
    if (found === null) throw new PlistError('the text is not the XML of a property list');
    const [, slash, name, empty, characters] = found;
    if (characters !== undefined) yield characters.replace(ENTITY, characterOf);
    else if (name !== undefined) {
      if (slash && empty) throw new PlistError('a tag has a slash at both ends');
      yield { name, is: slash ? 'end' : empty ? 'empty' : 'start' };
    }
  }
}

function characterOf(_: string, name?: string, decimal?: string, hexadecimal?: string): string {
  if (name !== undefined) return ENTITIES[name] ?? '';
  const code = decimal === undefined ? Number.parseInt(hexadecimal ?? '', 16) : Number(decimal);
  if (!(code > 0 && code <= LAST_CHARACTER)) throw new PlistError('an entity is unknown');
  return String.fromCodePoint(code);
}

function dataIn(text: string): Uint8Array {
  const packed = text.replaceAll(/[ \t\r\n]+/g, '');
  if (!BASE64.test(packed)) throw new PlistError('the data is not base64');
  return new Uint8Array(Buffer.from(packed, 'base64'));
}

function textIn(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new PlistError('the document is not UTF-8', { cause });
  }
}

const isTag = (token: Token | undefined, name: string, is: Tag['is']): boolean =>
  token !== undefined && typeof token !== 'string' && token.name === name && token.is === is;
