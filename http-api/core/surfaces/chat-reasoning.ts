import { invalid, isGiven, isObject, type JsonObject } from '../json.ts';

/**
 * OpenRouter's `reasoning: {effort, max_tokens, exclude, enabled}` and its older `include_reasoning`
 * in a chat request.
 */

/**
 * The models have efforts instead of budgets. A budget of tokens becomes the first effort in this
 * list whose largest budget it does not exceed.
 */
const BUDGETS = [
  [1_024, 'low'],
  [8_192, 'medium'],
  [Number.POSITIVE_INFINITY, 'high'],
] as const;
/** OpenRouter's largest effort under its name in the chat contract. */
const EFFORTS: Readonly<Record<string, string>> = { max: 'xhigh' };

/** The request with the fields of OpenRouter replaced by `reasoning_effort`. */
export function lowerReasoning(body: JsonObject): JsonObject {
  const { reasoning, include_reasoning: _included, ...rest } = body;
  if (!isGiven(reasoning)) return rest;
  if (!isObject(reasoning)) throw invalid('reasoning', 'reasoning must be an object.');
  const effort = effortOf(reasoning);
  if (effort === undefined) return rest;
  const given = rest['reasoning_effort'];
  if (isGiven(given) && given !== effort)
    throw invalid('reasoning', 'reasoning and reasoning_effort ask for different efforts.');
  return { ...rest, reasoning_effort: effort };
}

/** Whether the text of the reasoning is left out of the answer. It is charged all the same. */
export const excludesReasoning = ({
  reasoning,
  include_reasoning: included,
}: JsonObject): boolean =>
  included === false || (isObject(reasoning) && reasoning['exclude'] === true);

function effortOf({ effort, max_tokens: budget, enabled }: JsonObject): unknown {
  if (isGiven(effort)) return EFFORTS[String(effort)] ?? effort;
  if (isGiven(budget)) {
    if (!Number.isInteger(budget) || (budget as number) < 1)
      throw invalid('reasoning', 'reasoning.max_tokens must be a whole number above 0.');
    return BUDGETS.find(([largest]) => (budget as number) <= largest)?.[1];
  }
  if (!isGiven(enabled)) return undefined;
  if (typeof enabled !== 'boolean')
    throw invalid('reasoning', 'reasoning.enabled must be true or false.');
  return enabled ? 'medium' : 'none';
}
