import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { messageOf } from '../message-of.ts';
import { FieldReader } from './field-reader.ts';
import { isObject, type JsonObject } from './json.ts';
import { ModelError } from './model-error.ts';

/** How a vocabulary writes bytes as characters. */
type Spelling = 'byte_level' | 'byte_fallback';

export interface VocabularyFacts {
  /** Every token as the tokenizer spells it, by its number. */
  readonly spelled: readonly string[];
  readonly spelling: Spelling;
}

/** Text to tokens and back, by the model's own `tokenizer.json`. */
export class Tokenizer {
  readonly #tokenizer: HuggingFaceTokenizer;
  readonly #bytes: readonly (Uint8Array | undefined)[];
  readonly #ids: ReadonlyMap<string, number>;
  readonly vocabulary: VocabularyFacts;

  private constructor(tokenizer: HuggingFaceTokenizer, { ids, signs, added, spelling, size }: Vocabulary) {
    this.#tokenizer = tokenizer;
    this.#ids = ids;
    const spelled = Array.from({ length: size }, () => '');
    const bytes: (Uint8Array | undefined)[] = Array.from({ length: size });
    for (const [token, id] of ids) {
      spelled[id] = token;
      if (!signs.has(id)) bytes[id] = added.has(id) ? new TextEncoder().encode(token) : bytesOf(token, spelling);
    }
    this.#bytes = bytes;
    this.vocabulary = { spelled, spelling };
  }

  /** From `tokenizer.json` and `tokenizer_config.json`. */
  static read({ json, config, vocabularySize }: { json: JsonObject; config: JsonObject; vocabularySize: number }): Tokenizer {
    const vocabulary = readVocabulary(json, vocabularySize);
    try {
      return new Tokenizer(new HuggingFaceTokenizer(json, config), vocabulary);
    } catch (cause) {
      throw new ModelError('malformed_tokenizer', `tokenizer.json: ${messageOf(cause)}`, { cause });
    }
  }

  /**
   * The text's tokens, without those that begin and end a text: templates write them. Throws ModelError for a text with a token
   * that the model has no row for: a decoder that looked it up would read outside of its weights.
   */
  encode(text: string): number[] {
    // The library gives undefined for text that no token stands for.
    let ids: (number | undefined)[];
    try {
      ids = this.#tokenizer.encode(text, { add_special_tokens: false }).ids;
    } catch (cause) {
      throw new ModelError('malformed_tokenizer', messageOf(cause), { cause });
    }
    if (!ids.every((id): id is number => id !== undefined && this.has(id)))
      throw new ModelError('token_outside_vocabulary', "a token of this text is not in the model's vocabulary");
    return ids;
  }

  /** Whether the model has a row for it. */
  has(id: number): boolean {
    return Number.isInteger(id) && id >= 0 && id < this.vocabulary.spelled.length;
  }

  idOf(token: string): number | undefined {
    return this.#ids.get(token);
  }

  /** Nothing for a token that is a sign to the program and no text. */
  bytesOf(id: number): Uint8Array | undefined {
    return this.#bytes[id];
  }

  textOf(id: number): string {
    const bytes = this.#bytes[id];
    return bytes === undefined ? (this.vocabulary.spelled[id] ?? '') : new TextDecoder().decode(bytes);
  }
}

/** Turns tokens into text as they come. Bytes of a character that is not whole yet wait for the rest of it. */
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

  /** What is left over when no more tokens come: a character cut in two shows as U+FFFD. */
  end(): string {
    return this.#decoder.decode();
  }
}

interface Vocabulary {
  readonly ids: ReadonlyMap<string, number>;
  /** Tokens that are no text. */
  readonly signs: ReadonlySet<number>;
  /** Tokens whose text is as it stands. */
  readonly added: ReadonlySet<number>;
  readonly spelling: Spelling;
  readonly size: number;
}

function readVocabulary(parsed: JsonObject, size: number): Vocabulary {
  const model = new FieldReader(parsed, 'tokenizer.json').object('model');
  const words = (parsed['model'] as { vocab?: unknown } | undefined)?.vocab;
  if (model === undefined || model.text('type', ['BPE'], { or: 'BPE' as const }) !== 'BPE' || !isObject(words))
    throw new ModelError('malformed_tokenizer', 'tokenizer.json holds no BPE vocabulary');
  const ids = new Map<string, number>();
  const add = (token: string, id: unknown) => {
    if (!Number.isSafeInteger(id) || (id as number) < 0) throw new ModelError('malformed_tokenizer', `${JSON.stringify(token).slice(0, 40)} has no number`);
    // Published models have such tokens: Gemma 3's <image_soft_token> has no row in its text models. `encode` refuses them.
    if ((id as number) < size) ids.set(token, id as number);
  };
  for (const [token, id] of Object.entries(words)) add(token, id);
  const signs = new Set<number>();
  const added = new Set<number>();
  const extra = parsed['added_tokens'];
  if (extra !== undefined && !Array.isArray(extra)) throw new ModelError('malformed_tokenizer', 'added_tokens is no list');
  for (const token of extra ?? []) {
    if (!isObject(token) || typeof token['content'] !== 'string') throw new ModelError('malformed_tokenizer', 'an added token has no content');
    add(token['content'], token['id']);
    (token['special'] === true ? signs : added).add(token['id'] as number);
  }
  return {
    ids,
    signs,
    added,
    spelling: JSON.stringify(parsed['decoder'] ?? null).includes('"ByteLevel"') ? 'byte_level' : 'byte_fallback',
    size,
  };
}

/** The printable stand-ins that byte-level vocabularies use for bytes, as GPT-2 chose them. */
const byteOfStandIn = (() => {
  const plain = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  const map = new Map<string, number>();
  let next = 256;
  for (let byte = 0; byte < 256; byte += 1) map.set(String.fromCharCode(plain(byte) ? byte : next++), byte);
  return map;
})();

function bytesOf(token: string, spelling: Spelling): Uint8Array {
  if (spelling === 'byte_fallback') {
    const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(token)?.[1];
    return byte === undefined ? new TextEncoder().encode(token.replaceAll('\u2581', ' ')) : Uint8Array.of(Number.parseInt(byte, 16));
  }
  const bytes = Array.from(token, (character) => byteOfStandIn.get(character));
  return bytes.every((byte) => byte !== undefined) ? Uint8Array.from(bytes as number[]) : new TextEncoder().encode(token);
}
