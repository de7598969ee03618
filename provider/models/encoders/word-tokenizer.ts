import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { messageOf } from '#bus-schemas/message-of.ts';
import { FieldReader } from '../field-reader.ts';
import { isObject, type JsonObject } from '../json.ts';
import { ModelError } from '../model-error.ts';

/** Longest text that is read for each token of the context, in characters. */
const CHARACTERS_PER_TOKEN = 64;

/** The tokens of a text, or of a query with a document, with the marks that the model expects. */
export interface EncoderInput {
  readonly tokens: Int32Array<ArrayBuffer>;
  /** Number of tokens of kind 0, from the beginning; the others have kind 1. */
  readonly first: number;
}

interface Reading {
  /** Most tokens of an input, with its marks. */
  readonly most: number;
  /** Whether a longer text is shortened; otherwise the result is `too_long`. */
  readonly truncate: boolean;
}

/**
 * The WordPiece tokenizer of BERT. Marks such as `[SEP]` are added by number: a text that spells one
 * is read as text, so that a document cannot end the query before it.
 */
export class WordTokenizer {
  readonly #tokenizer: HuggingFaceTokenizer;
  readonly #begin: number;
  readonly #separator: number;
  readonly #size: number;

  private constructor(
    tokenizer: HuggingFaceTokenizer,
    { begin, separator, size }: { begin: number; separator: number; size: number },
  ) {
    this.#tokenizer = tokenizer;
    this.#begin = begin;
    this.#separator = separator;
    this.#size = size;
  }

  /** `json` is the content of `tokenizer.json`, `config` that of `tokenizer_config.json`. */
  static read(json: JsonObject, config: JsonObject, vocabulary: number): WordTokenizer {
    const model = new FieldReader(json, 'tokenizer.json').object('model');
    const words = (json['model'] as { vocab?: unknown } | undefined)?.vocab;
    if (model?.text('type', ['WordPiece']) !== 'WordPiece' || !isObject(words))
      throw new ModelError('malformed_tokenizer', 'tokenizer.json has no WordPiece vocabulary');
    const idOf = (mark: string) => {
      const id = words[mark];
      if (!Number.isSafeInteger(id) || Number(id) < 0 || Number(id) >= vocabulary)
        throw new ModelError('malformed_tokenizer', `the vocabulary has no token ${mark}`);
      return Number(id);
    };
    const about = new FieldReader(config, 'tokenizer_config.json');
    idOf(model.anyText('unk_token') ?? '[UNK]');
    const marks = {
      begin: idOf(about.anyText('cls_token') ?? '[CLS]'),
      separator: idOf(about.anyText('sep_token') ?? '[SEP]'),
    };
    try {
      const tokenizer = new HuggingFaceTokenizer({ ...json, added_tokens: [] }, {});
      return new WordTokenizer(tokenizer, { ...marks, size: vocabulary });
    } catch (cause) {
      throw new ModelError('malformed_tokenizer', messageOf(cause), { cause });
    }
  }

  /** The input for a text, or for tokens without marks. Throws ModelError for unknown tokens. */
  single(text: string | readonly number[], reading: Reading): EncoderInput | 'too_long' {
    const inner = this.#fit(text, { ...reading, most: reading.most - 2 });
    if (inner === 'too_long') return inner;
    const tokens = Int32Array.from([this.#begin, ...inner, this.#separator]);
    return { tokens, first: tokens.length };
  }

  /** The input for a query with a document, which is shortened if both are too long. */
  pair(query: readonly number[], document: string, reading: Reading): EncoderInput | 'too_long' {
    const room = reading.most - 3 - query.length;
    const inner = room < 1 ? 'too_long' : this.#fit(document, { ...reading, most: room });
    if (inner === 'too_long') return inner;
    const first = [this.#begin, ...query, this.#separator];
    const tokens = Int32Array.from([...first, ...inner, this.#separator]);
    return { tokens, first: first.length };
  }

  /** The tokens of a text without marks; too long if there are more than `most` of them. */
  #fit(
    text: string | readonly number[],
    { most, truncate }: Reading,
  ): readonly number[] | 'too_long' {
    const longest = most * CHARACTERS_PER_TOKEN;
    if (text.length > longest && !truncate) return 'too_long';
    const ids =
      typeof text === 'string' ? this.tokensOf(text.slice(0, longest)) : this.#known(text);
    if (ids.length <= most) return ids;
    return truncate ? ids.slice(0, most) : 'too_long';
  }

  tokensOf(text: string): readonly number[] {
    let ids: readonly unknown[];
    try {
      ids = this.#tokenizer.encode(text.toWellFormed(), { add_special_tokens: false }).ids;
    } catch (cause) {
      throw new ModelError('malformed_tokenizer', messageOf(cause), { cause });
    }
    return this.#known(ids);
  }

  /** An encoder that looked up another token would read outside of its weights. */
  #known(ids: readonly unknown[]): readonly number[] {
    const isKnown = (id: unknown): id is number =>
      Number.isSafeInteger(id) && Number(id) >= 0 && Number(id) < this.#size;
    if (!ids.every(isKnown))
      throw new ModelError(
        'token_outside_vocabulary',
        `a token is not among the ${this.#size} tokens of the model`,
      );
    return ids;
  }
}
