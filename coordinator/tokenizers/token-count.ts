import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { Tokenizer } from '@huggingface/tokenizers';
import { CodedError } from '#bus-schemas/coded-error.ts';
import { MAX_TOKENIZER_BYTES } from './tokenizer-limit.ts';

/** Maximum token id. No published vocabulary has more than 300,000 tokens. */
const MAX_TOKEN_ID = 1 << 22;

type JsonObject = Record<string, unknown>;
const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A file that cannot be the tokenizer of any model. The message is for the operator. */
export class TokenizerError extends CodedError<'missing' | 'too_large' | 'malformed'> {}

export interface CountingTokenizer {
  /** Size of its file, in bytes. */
  readonly bytes: number;
  /** SHA-256 of its file, in hexadecimal. */
  readonly digest: string;
  /** Returns the number of tokens of a text, without tokens for its beginning and end. */
  count(text: string): number;
  /** The text that has exactly these tokens; undefined if there is none. */
  textOf(ids: readonly number[]): string | undefined;
}

/**
 * Reads a `tokenizer.json`. The file may come from an attacker: one of its patterns could run for
 * minutes. Therefore this runs in a thread that can be ended. Throws TokenizerError.
 */
export function openTokenizer(path: string): CountingTokenizer {
  const content = readBounded(path);
  const json = parse(content);
  check(json);
  const tokenizer = construct(json);
  const idsOf = (text: string): readonly number[] =>
    tokenizer.encode(text, { add_special_tokens: false }).ids;
  const textOf = (ids: readonly number[]) => {
    const text = tokenizer.decode([...ids], { clean_up_tokenization_spaces: false });
    const back = idsOf(text);
    const isSame = back.length === ids.length && back.every((id, place) => id === ids[place]);
    return isSame ? text : undefined;
  };
  return {
    bytes: content.length,
    digest: createHash('sha256').update(content).digest('hex'),
    count: (text) => idsOf(text).length,
    textOf,
  };
}

/** Without O_NONBLOCK, a pipe in place of the file would block the thread. */
function readBounded(path: string): Buffer {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    throw new TokenizerError('missing', `${path} cannot be read.`, { cause });
  }
  try {
    const stat = fstatSync(file);
    if (!stat.isFile()) throw new TokenizerError('missing', `${path} is not a file.`);
    if (stat.size > MAX_TOKENIZER_BYTES)
      throw new TokenizerError(
        'too_large',
        `${path} has ${stat.size} bytes. The most is ${MAX_TOKENIZER_BYTES}.`,
      );
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}

function parse(content: Buffer): JsonObject {
  let json: unknown;
  try {
    json = JSON.parse(content.toString('utf8'));
  } catch (cause) {
    throw new TokenizerError('malformed', 'The tokenizer is not JSON.', { cause });
  }
  if (!isObject(json)) throw new TokenizerError('malformed', 'The tokenizer is not a JSON object.');
  return json;
}

function check({ model, added_tokens: added = [] }: JsonObject): void {
  if (!isObject(model) || (model['type'] ?? 'BPE') !== 'BPE' || !isObject(model['vocab']))
    throw new TokenizerError('malformed', 'The tokenizer has no BPE vocabulary.');
  const ids: unknown[] = Object.values(model['vocab']);
  if (ids.length === 0) throw new TokenizerError('malformed', 'The vocabulary is empty.');
  if (!Array.isArray(added)) throw new TokenizerError('malformed', 'added_tokens is not a list.');
  for (const token of added) ids.push(isObject(token) ? token['id'] : undefined);
  if (
    !ids.every(
      (id) => Number.isSafeInteger(id) && (id as number) >= 0 && (id as number) <= MAX_TOKEN_ID,
    )
  )
    throw new TokenizerError(
      'malformed',
      `A token's id is not a whole number from 0 to ${MAX_TOKEN_ID}.`,
    );
}

/**
 * Removes the added tokens. A model that writes `<|im_end|>` as text uses several ordinary tokens
 * for it. If that text were counted as one added token, a customer who requests it many times could
 * make an honest machine look dishonest.
 */
function construct(json: JsonObject): Tokenizer {
  try {
    return new Tokenizer({ ...json, added_tokens: [] }, {});
  } catch (cause) {
    throw new TokenizerError(
      'malformed',
      `The tokenizer cannot be used: ${cause instanceof Error ? cause.message : cause}`,
      { cause },
    );
  }
}
