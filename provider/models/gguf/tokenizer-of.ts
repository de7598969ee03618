import type { FieldReader } from '../field-reader.ts';
import type { JsonObject } from '../json.ts';
import { ModelError } from '../model-error.ts';

/** The types of tokens in GGUF files. */
const NORMAL = 1;
const CONTROL = 3;
const USER_DEFINED = 4;
const UNUSED = 5;

const MAX_TOKENS = 1 << 20;
const MAX_MERGES = 1 << 21;

const byteLevel = (useRegex: boolean): JsonObject => ({
  type: 'ByteLevel',
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: useRegex,
});
const inOrder = (...pretokenizers: JsonObject[]): JsonObject => ({
  type: 'Sequence',
  pretokenizers,
});
const split = (regex: string): JsonObject => ({
  type: 'Split',
  pattern: { Regex: regex },
  behavior: 'Isolated',
  invert: false,
});
/** Splits text as Llama 3 and Qwen do; they differ in the digits of one piece. */
const splitWords = (digits: string): JsonObject =>
  split(
    `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`,
  );

interface Splitting {
  readonly pre_tokenizer: JsonObject;
  readonly normalizer: JsonObject | null;
  /** True if a piece that is a token is taken whole, without its merges. */
  readonly ignoreMerges: boolean;
}

/**
 * How a text is split before tokens are merged. A GGUF file has only a name for it; these are the
 * parts of the published tokenizer.json files that have the name.
 */
const SPLITTINGS: Readonly<Record<string, Splitting>> = {
  'gpt-2': { pre_tokenizer: byteLevel(true), normalizer: null, ignoreMerges: false },
  smollm: {
    // Published files have "Digits" here. Its implementation in JavaScript splits ASCII digits only.
    pre_tokenizer: inOrder(split('\\p{N}'), byteLevel(true)),
    normalizer: null,
    ignoreMerges: false,
  },
  'llama-bpe': {
    pre_tokenizer: inOrder(splitWords('\\p{N}{1,3}'), byteLevel(false)),
    normalizer: null,
    ignoreMerges: true,
  },
  qwen2: {
    pre_tokenizer: inOrder(splitWords('\\p{N}'), byteLevel(false)),
    normalizer: { type: 'NFC' },
    ignoreMerges: false,
  },
};

interface Token {
  readonly id: number;
  readonly text: string;
  readonly type: number;
}

/**
 * Rebuilds tokenizer.json from the tokens and merges of a GGUF file. Refuses tokenizers whose file
 * cannot be rebuilt exactly, because a model that reads other tokens gives wrong answers.
 */
export function tokenizerOf(facts: FieldReader): JsonObject {
  const { pre_tokenizer, normalizer, ignoreMerges } = splittingOf(facts);
  const tokens = tokensOf(facts);
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: tokens
      .filter(({ type }) => type === CONTROL || type === USER_DEFINED)
      .map(({ id, text, type }) => ({
        id,
        content: text,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: type === CONTROL,
      })),
    normalizer,
    pre_tokenizer,
    post_processor: null,
    decoder: { ...byteLevel(true), add_prefix_space: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: ignoreMerges,
      // A token may be named "__proto__"; fromEntries makes it an entry like any other.
      vocab: Object.fromEntries(tokens.map(({ id, text }) => [text, id])),
      merges: mergesOf(facts, new Set(tokens.map(({ text }) => text))),
    },
  };
}

function splittingOf(facts: FieldReader): Splitting {
  const kind = facts.anyText('tokenizer.ggml.model');
  if (kind !== 'gpt2')
    throw new ModelError(
      'unsupported_tokenizer',
      `the tokenizer is of the kind ${JSON.stringify(kind)}, from which tokenizer.json cannot be rebuilt exactly; supported is "gpt2". A folder with the tokenizer.json of the model replaces it`,
    );
  const name = facts.anyText('tokenizer.ggml.pre');
  const splitting =
    name !== undefined && Object.hasOwn(SPLITTINGS, name) ? SPLITTINGS[name] : undefined;
  if (splitting === undefined)
    throw new ModelError(
      'unsupported_tokenizer',
      `the tokenizer splits text by the rules named ${JSON.stringify(name)}; supported are ${Object.keys(SPLITTINGS).join(', ')}. A folder with the tokenizer.json of the model replaces it`,
    );
  return splitting;
}

/** The tokens of the vocabulary, without those that only fill it up. */
function tokensOf(facts: FieldReader): Token[] {
  const texts = facts.list('tokenizer.ggml.tokens', isText, MAX_TOKENS) ?? [];
  const types =
    facts.list('tokenizer.ggml.token_type', isWhole, MAX_TOKENS) ?? texts.map(() => NORMAL);
  if (texts.length === 0 || types.length !== texts.length)
    throw new ModelError(
      'malformed_tokenizer',
      `the file has ${texts.length} tokens and ${types.length} types of tokens`,
    );
  const tokens = texts
    .map((text, id) => ({ id, text, type: types[id] as number }))
    .filter(({ type }) => type !== UNUSED);
  const odd = tokens.find(({ type }) => ![NORMAL, CONTROL, USER_DEFINED].includes(type));
  if (odd !== undefined)
    throw new ModelError(
      'unsupported_tokenizer',
      `the token ${odd.id} has the type ${odd.type}, which no tokenizer of the kind "gpt2" has`,
    );
  if (new Set(tokens.map(({ text }) => text)).size !== tokens.length)
    throw new ModelError('malformed_tokenizer', 'two tokens have the same text');
  return tokens;
}

function mergesOf(facts: FieldReader, tokens: ReadonlySet<string>): string[] {
  const merges = facts.list('tokenizer.ggml.merges', isText, MAX_MERGES);
  if (merges === undefined)
    throw new ModelError('malformed_tokenizer', 'the file has no tokenizer.ggml.merges');
  for (const merge of merges) {
    const [left = '', right = '', ...rest] = merge.split(' ');
    const isKnown = tokens.has(left) && tokens.has(right) && tokens.has(left + right);
    if (!isKnown || rest.length > 0)
      throw new ModelError(
        'malformed_tokenizer',
        `the merge ${JSON.stringify(merge).slice(0, 80)} does not join two tokens to a token`,
      );
  }
  return merges;
}

const isText = (item: unknown): item is string => typeof item === 'string';
const isWhole = (item: unknown): item is number => Number.isSafeInteger(item);

/** Returns the content of tokenizer_config.json. */
export function tokenizerConfigOf(facts: FieldReader, contextTokens: number): JsonObject {
  const tokens = facts.list('tokenizer.ggml.tokens', isText, MAX_TOKENS) ?? [];
  const named = (key: string): string | undefined => {
    const id = facts.integer(`tokenizer.ggml.${key}_token_id`, { min: 0, or: undefined });
    return id === undefined ? undefined : tokens[id];
  };
  const signs = {
    bos_token: named('bos'),
    eos_token: named('eos'),
    unk_token: named('unknown'),
    pad_token: named('padding'),
  };
  return {
    ...signs,
    add_bos_token: facts.flag('tokenizer.ggml.add_bos_token', false),
    add_prefix_space: false,
    clean_up_tokenization_spaces: false,
    model_max_length: contextTokens,
    tokenizer_class: 'PreTrainedTokenizerFast',
    chat_template: facts.anyText('tokenizer.chat_template'),
  };
}

/** The tokens that end an answer, by the three names that GGUF files have for them. */
export function endTokensOf(facts: FieldReader): number[] {
  const ids = ['eos', 'eot', 'eom'].map((name) =>
    facts.integer(`tokenizer.ggml.${name}_token_id`, { min: 0, or: undefined }),
  );
  return [...new Set(ids.filter((id) => id !== undefined))];
}
