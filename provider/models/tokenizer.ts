import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { messageOf } from '#bus-schemas/message-of.ts';
import { ALWAYS_SIGNS, ALWAYS_TEXT } from '../answers/formats.ts';
import { FieldReader } from './field-reader.ts';
import { isObject, type JsonObject } from './json.ts';
import { ModelError } from './model-error.ts';
import type { Prompt } from './prompt-part.ts';

/** The way in which a vocabulary represents bytes as characters. */
type Spelling = 'byte_level' | 'byte_fallback';

export interface VocabularyFacts {
  /** The tokenizer's spelling of every token, indexed by token number. */
  readonly spelled: readonly string[];
  readonly spelling: Spelling;
}

/** Converts text to tokens and back, as the model's `tokenizer.json` defines it. */
export class Tokenizer {
  readonly #tokenizer: HuggingFaceTokenizer;
  /** Has no added tokens, so that no text becomes one. */
  readonly #plainTokenizer: () => HuggingFaceTokenizer;
  readonly #bytes: readonly (Uint8Array | undefined)[];
  readonly #ids: ReadonlyMap<string, number>;
  readonly vocabulary: VocabularyFacts;

  private constructor(
    { json, config }: { json: JsonObject; config: JsonObject },
    { ids, signs, added, spelling, size }: Vocabulary,
  ) {
    this.#tokenizer = new HuggingFaceTokenizer(json, config);
    let plain: HuggingFaceTokenizer | undefined;
    this.#plainTokenizer = () => {
      plain ??= new HuggingFaceTokenizer({ ...json, added_tokens: [] }, {});
      return plain;
    };
    this.#ids = ids;
    const spelled = Array.from({ length: size }, () => '');
    const bytes: (Uint8Array | undefined)[] = Array.from({ length: size });
    for (const [token, id] of ids) {
      spelled[id] = token;
      if (!signs.has(id))
        bytes[id] = added.has(id) ? new TextEncoder().encode(token) : bytesOf(token, spelling);
    }
    this.#bytes = bytes;
    this.vocabulary = { spelled, spelling };
  }

  /** True if each number stands for the same token in both. One may have further unused numbers. */
  hasTokensOf({ vocabulary: { spelled } }: Tokenizer): boolean {
    const own = this.vocabulary.spelled;
    const count = Math.max(own.length, spelled.length);
    return Array.from({ length: count }).every((_, i) => (own[i] ?? '') === (spelled[i] ?? ''));
  }

  /** `json` is the content of `tokenizer.json`, `config` that of `tokenizer_config.json`. */
  static read({
    json,
    config,
    vocabularySize,
  }: {
    json: JsonObject;
    config: JsonObject;
    vocabularySize: number;
  }): Tokenizer {
    const vocabulary = readVocabulary(json, vocabularySize);
    try {
      return new Tokenizer({ json, config }, vocabulary);
    } catch (cause) {
      throw new ModelError('malformed_tokenizer', `tokenizer.json: ${messageOf(cause)}`, { cause });
    }
  }

  /**
   * Returns the tokens of a prompt, without the tokens that mark its beginning and end: templates
   * write those themselves. Throws ModelError if the model's weights have no row for a token: a
   * decoder that looked it up would read outside of its weights.
   */
  encode(prompt: Prompt): number[] {
    if (typeof prompt === 'string') return this.#encodeWith(this.#tokenizer, prompt);
    return prompt.flatMap((part) => {
      if ('sign' in part) return [this.#signOf(part.sign)];
      return 'text' in part
        ? this.#encodeWith(this.#plainTokenizer(), part.text)
        : this.#encodeWith(this.#tokenizer, part.markup);
    });
  }

  #signOf(name: string): number {
    const id = this.idOf(name);
    if (id === undefined || !this.has(id))
      throw new ModelError(
        'token_outside_vocabulary',
        `the model's vocabulary has no token ${name}`,
      );
    return id;
  }

  #encodeWith(tokenizer: HuggingFaceTokenizer, text: string): number[] {
    // The library returns undefined for text that no token represents.
    let ids: (number | undefined)[];
    try {
      ids = tokenizer.encode(text, { add_special_tokens: false }).ids;
    } catch (cause) {
      throw new ModelError('malformed_tokenizer', messageOf(cause), { cause });
    }
    if (!ids.every((id): id is number => id !== undefined && this.has(id)))
      throw new ModelError(
        'token_outside_vocabulary',
        "a token of this text is not in the model's vocabulary",
      );
    return ids;
  }

  /** Returns whether the model's weights have a row for this token. */
  has(id: number): boolean {
    return Number.isInteger(id) && id >= 0 && id < this.vocabulary.spelled.length;
  }

  idOf(token: string): number | undefined {
    return this.#ids.get(token);
  }

  /** Returns undefined for control tokens, which represent no text. */
  bytesOf(id: number): Uint8Array | undefined {
    return this.#bytes[id];
  }

  /** The names of all control tokens. */
  get signs(): string[] {
    return this.vocabulary.spelled.filter((name, id) => name !== '' && this.signOf(id) === name);
  }

  /** The name of a control token; undefined for tokens that represent text. */
  signOf(id: number): string | undefined {
    return this.#bytes[id] === undefined ? this.vocabulary.spelled[id] : undefined;
  }

  textOf(id: number): string {
    const bytes = this.#bytes[id];
    return bytes === undefined
      ? (this.vocabulary.spelled[id] ?? '')
      : new TextDecoder().decode(bytes);
  }
}

/**
 * Converts tokens to text one at a time. The bytes of an incomplete character are held back until
 * the rest of the character arrives.
 */
export class TextStream {
  readonly #tokenizer: Tokenizer;
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  push(token: number): string {
    const bytes = this.#tokenizer.bytesOf(token);
    return bytes === undefined ? '' : this.#decoder.decode(bytes, { stream: true });
  }

  /** Ends the text and returns the bytes held back. An incomplete character becomes U+FFFD. */
  end(): string {
    return this.#decoder.decode();
  }
}

interface Vocabulary {
  readonly ids: ReadonlyMap<string, number>;
  /** Control tokens, which represent no text. */
  readonly signs: ReadonlySet<number>;
  /** Added tokens that are text. Their spelling is the text itself, without byte encoding. */
  readonly added: ReadonlySet<number>;
  readonly spelling: Spelling;
  readonly size: number;
}

function readVocabulary(parsed: JsonObject, size: number): Vocabulary {
  const model = new FieldReader(parsed, 'tokenizer.json').object('model');
  const words = (parsed['model'] as { vocab?: unknown } | undefined)?.vocab;
  if (
    model === undefined ||
    model.text('type', ['BPE'], { or: 'BPE' as const }) !== 'BPE' ||
    !isObject(words)
  )
    throw new ModelError('malformed_tokenizer', 'tokenizer.json has no BPE vocabulary');
  const ids = new Map<string, number>();
  const add = (token: string, id: unknown) => {
    if (!Number.isSafeInteger(id) || (id as number) < 0)
      throw new ModelError(
        'malformed_tokenizer',
        `${JSON.stringify(token).slice(0, 40)} has no valid id`,
      );
    // Published models have tokens without a row in the weights, for example <image_soft_token> in
    // the text models of Gemma 3. They are left out here, and `encode` refuses text that contains
    // them.
    if ((id as number) < size) ids.set(token, id as number);
  };
  for (const [token, id] of Object.entries(words)) add(token, id);
  const signs = new Set<number>();
  const added = new Set<number>();
  const extra = parsed['added_tokens'];
  if (extra !== undefined && !Array.isArray(extra))
    throw new ModelError('malformed_tokenizer', 'added_tokens is not a list');
  for (const token of extra ?? []) {
    if (!isObject(token) || typeof token['content'] !== 'string')
      throw new ModelError('malformed_tokenizer', 'an added token has no content');
    add(token['content'], token['id']);
    const { special, content } = token;
    const isSign = (special === true && !ALWAYS_TEXT.has(content)) || ALWAYS_SIGNS.has(content);
    (isSign ? signs : added).add(token['id'] as number);
  }
  return {
    ids,
    signs,
    added,
    spelling: JSON.stringify(parsed['decoder'] ?? null).includes('"ByteLevel"')
      ? 'byte_level'
      : 'byte_fallback',
    size,
  };
}

/**
 * Maps each printable character that GPT-2's byte-level vocabularies use for a byte to that byte.
 */
const byteOfStandIn = (() => {
  const plain = (byte: number) =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  const map = new Map<string, number>();
  let next = 256;
  for (let byte = 0; byte < 256; byte += 1)
    map.set(String.fromCharCode(plain(byte) ? byte : next++), byte);
  return map;
})();

function bytesOf(token: string, spelling: Spelling): Uint8Array {
  if (spelling === 'byte_fallback') {
    const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(token)?.[1];
    return byte === undefined
      ? new TextEncoder().encode(token.replaceAll('\u2581', ' '))
      : Uint8Array.of(Number.parseInt(byte, 16));
  }
  const bytes = Array.from(token, (character) => byteOfStandIn.get(character));
  return bytes.every((byte) => byte !== undefined)
    ? Uint8Array.from(bytes as number[])
    : new TextEncoder().encode(token);
}
