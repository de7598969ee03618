import { MAX_CHOICES } from '#bus-schemas';
import { tokenizerPath } from '#coordinator/tokenizers/tokenizer-files.ts';
import { invalid, type JsonObject } from '#http-api/core/json.ts';
import { ApiError } from '#http-api/errors.ts';
import { RETRY_AFTER_MS } from '#http-api/retry-after.ts';
import type { KeyCaller } from '../identity/key-cache.ts';
import { calledModel } from './called-model.ts';
import type { CountDeps } from './token-counts.ts';

/** Time for one prompt, in milliseconds. */
const READ_MS = 5_000;

type Deps = Pick<CountDeps, 'catalog' | 'ownMachines' | 'counter' | 'home'>;

/**
 * The request with each prompt of token ids replaced by its text, because machines tokenize the text
 * of a conversation. A prompt whose ids are not the tokens of its text is refused: the model would
 * read another prompt than the caller sent.
 */
export async function withTextPrompts(
  body: JsonObject,
  caller: KeyCaller,
  deps: Deps,
): Promise<JsonObject> {
  const prompts = idListsIn(body['prompt']);
  if (prompts === undefined) return body;
  if (prompts.length > MAX_CHOICES)
    throw invalid('prompt', `An answer has at most ${MAX_CHOICES} choices, one for each prompt.`);
  const { model } = await calledModel(String(body['model']), caller, deps);
  const { tokenizer: digest } = model;
  if (digest === undefined)
    throw invalid(
      'prompt',
      `This network has no tokenizer of ${model.id}, which prompts of token ids need. Send the text.`,
    );
  const path = tokenizerPath(deps.home, digest);
  const texts: string[] = [];
  for (const ids of prompts) {
    const read = await deps.counter.count({ path, digest, ids }, READ_MS);
    if (read.ok && read.text !== undefined) texts.push(read.text);
    else if (read.ok)
      throw invalid(
        'prompt',
        `prompt ${texts.length}: these ids are not the tokens of a text. Leave out special tokens, such as the beginning of a text, or send the text.`,
      );
    else
      throw new ApiError('service_unavailable', 'The prompt could not be read. Send the text.', {
        retryAfterMs: RETRY_AFTER_MS.unstated,
      });
  }
  return { ...body, prompt: texts.length === 1 ? texts[0] : texts };
}

/** The prompts of a request as lists of token ids; undefined if they are texts. */
function idListsIn(prompt: unknown): readonly (readonly number[])[] | undefined {
  if (!Array.isArray(prompt) || prompt.length === 0) return undefined;
  if (prompt.every(isId)) return [prompt];
  return prompt.every(isIdList) ? prompt : undefined;
}

const isId = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0;
const isIdList = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length > 0 && value.every(isId);
