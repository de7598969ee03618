import { MAX_CHOICES } from '#bus-schemas';
import { invalid, isGiven, type JsonObject } from './json.ts';

/** `n` and lists of prompts: several choices in one answer. */

/**
 * The requests for the single choices of an answer, in the order of their index: `n` for each
 * prompt. A given seed grows by 1 from choice to choice, because equal seeds would give equal
 * choices.
 */
export function wantedChoices(request: JsonObject): readonly JsonObject[] {
  if (!isGiven(request['n']) && !Array.isArray(request['prompt'])) return [request];
  const { n, ...body } = request;
  const each = isGiven(n) ? n : 1;
  if (!isCount(each)) throw invalid('n', `n must be a whole number from 1 to ${MAX_CHOICES}.`);
  const prompts = promptsOf(body);
  if (prompts.length * each > MAX_CHOICES)
    throw invalid(
      prompts.length > MAX_CHOICES ? 'prompt' : 'n',
      `An answer has at most ${MAX_CHOICES} choices: n times the number of prompts.`,
    );
  return prompts.flatMap((prompt) =>
    Array.from({ length: each }, (_, index) => withSeed(prompt, index)),
  );
}

const isCount = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MAX_CHOICES;

/** One request for each prompt of a list of texts; the request itself if it has no such list. */
function promptsOf(body: JsonObject): readonly JsonObject[] {
  const { prompt } = body;
  if (!Array.isArray(prompt) || prompt.length === 0) return [body];
  if (!prompt.every((one) => typeof one === 'string')) return [body];
  return prompt.map((one: string) => ({ ...body, prompt: one }));
}

function withSeed(body: JsonObject, index: number): JsonObject {
  const { seed } = body;
  return index > 0 && typeof seed === 'number' ? { ...body, seed: seed + index } : body;
}
