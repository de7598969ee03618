import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { messageOf } from '#bus-schemas/message-of.ts';
import type { JsonObject } from '../json.ts';
import { ModelError } from '../model-error.ts';

/** Longest text that is read for each token of the context, in characters. */
const CHARACTERS_PER_TOKEN = 64;

/** The tokens of a text, or of a query with a document, with the marks that the model expects. */
export interface EncoderInput {
  readonly tokens: Int32Array<ArrayBuffer>;
  /** Number of tokens of kind 0, from the beginning; the others have kind 1. */
  readonly first: number;
  /** Number of tokens of a prompt that is the same for all requests. They do not count. */
  readonly free?: number;
}

/** Tokens of an input that its client sent, with marks. Money is held and charged for these. */
export const countedTokens = ({ tokens, free = 0 }: EncoderInput): number =>
  Math.max(1, tokens.length - free);

/** Whether a value of a file or a request is the number of a token of the vocabulary. */
export const isTokenId = (id: unknown, vocabulary: number): id is number =>
  Number.isSafeInteger(id) && Number(id) >= 0 && Number(id) < vocabulary;

interface Reading {
  /** Most tokens of an input, with its marks. */
  readonly most: number;
  /** Whether a longer text is shortened; otherwise the result is `too_long`. */
  readonly truncate: boolean;
}

interface Around {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** The tokens around a text, and around a query and a document. */
export interface Marks {
  readonly single: Around;
  /** With tokens between query and document. Undefined for a model without such marks. */
  readonly pair?: Around & { readonly between: readonly number[] };
  /** Set if query and document stand in a prompt instead. */
  readonly prompt?: ReadPrompt;
}

interface ReadPrompt extends Around, Pick<PairPrompt, 'inner'> {}

/** A part of a prompt: a text, or a control token by its name. */
type PromptPart = string | { readonly sign: string };

/** A prompt with a query and a document. */
export interface PairPrompt {
  readonly before: readonly PromptPart[];
  /** The text whose end is the document. */
  readonly inner: (query: string, document: string) => string;
  readonly after: readonly PromptPart[];
}

/** The input for a query with a document, which is shortened if both are too long. */
type PairReader = (document: string, reading: Reading) => EncoderInput | 'too_long';

/**
 * Turns texts into the inputs of a model. Marks such as `[SEP]` are added by number: a text that
 * spells one is read as text, so that a document cannot end the query before it.
 */
export class EncoderTokenizer {
  readonly #tokenizer: HuggingFaceTokenizer;
  readonly #marks: Marks;
  readonly #size: number;

  private constructor(tokenizer: HuggingFaceTokenizer, marks: Marks, size: number) {
    this.#tokenizer = tokenizer;
    this.#marks = marks;
    this.#size = size;
  }

  /** `json` is the content of a `tokenizer.json` without control tokens. */
  static open(json: JsonObject, marks: Marks, vocabulary: number): EncoderTokenizer {
    try {
      return new EncoderTokenizer(new HuggingFaceTokenizer(json, {}), marks, vocabulary);
    } catch (cause) {
      throw new ModelError('malformed_tokenizer', messageOf(cause), { cause });
    }
  }

  /** The input for a text, or for tokens without marks. Throws ModelError for unknown tokens. */
  single(text: string | readonly number[], reading: Reading): EncoderInput | 'too_long' {
    const { before, after } = this.#marks.single;
    const most = reading.most - before.length - after.length;
    const inner = this.#fit(text, { ...reading, most });
    if (inner === 'too_long') return inner;
    const tokens = Int32Array.from([...before, ...inner, ...after]);
    return { tokens, first: tokens.length };
  }

  /** Reads the pairs of a query, whose tokens are the same for each document. */
  pairsOf(query: string): PairReader {
    const { pair, prompt } = this.#marks;
    if (prompt !== undefined) return this.#promptsOf(query, prompt);
    if (pair === undefined)
      throw new ModelError('unsupported_tokenizer', 'the model reads no pairs of texts');
    const first = [...pair.before, ...this.tokensOf(query), ...pair.between];
    return (document, reading) => {
      const most = reading.most - first.length - pair.after.length;
      const inner = most < 1 ? 'too_long' : this.#fit(document, { ...reading, most });
      if (inner === 'too_long') return inner;
      const tokens = Int32Array.from([...first, ...inner, ...pair.after]);
      return { tokens, first: first.length };
    };
  }

  /** A tokenizer that reads pairs in a prompt. `signs` has the numbers of control tokens. */
  withPrompt(prompt: PairPrompt, signs: ReadonlyMap<string, number>): EncoderTokenizer {
    const tokensOf = (part: PromptPart): readonly number[] => {
      if (typeof part === 'string') return this.tokensOf(part);
      const id = signs.get(part.sign);
      if (id === undefined)
        throw new ModelError('malformed_tokenizer', `the tokenizer has no token ${part.sign}`);
      return this.#known([id]);
    };
    const read = {
      ...prompt,
      before: prompt.before.flatMap(tokensOf),
      after: prompt.after.flatMap(tokensOf),
    };
    return new EncoderTokenizer(this.#tokenizer, { ...this.#marks, prompt: read }, this.#size);
  }

  /** Query and document become tokens together, because those of a text depend on what is before it. */
  #promptsOf(query: string, { before, inner, after }: ReadPrompt): PairReader {
    const least = this.tokensOf(inner(query, '')).length;
    const free = before.length + this.tokensOf(inner('', '')).length + after.length;
    return (document, reading) => {
      const most = reading.most - before.length - after.length;
      if (least >= most) return 'too_long';
      const made = this.#fit(inner(query, document), { ...reading, most });
      if (made === 'too_long') return made;
      const tokens = Int32Array.from([...before, ...made, ...after]);
      return { tokens, first: tokens.length, free };
    };
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
    if (!ids.every((id) => isTokenId(id, this.#size)))
      throw new ModelError(
        'token_outside_vocabulary',
        `a token is not among the ${this.#size} tokens of the model`,
      );
    return ids;
  }
}
