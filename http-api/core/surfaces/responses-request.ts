import { invalid, isGiven, isObject, type JsonObject } from '../json.ts';
import { messagesOf } from './responses-conversation.ts';
import { functionChoiceOf, functionToolsOf } from './responses-tools.ts';

/**
 * Lowers the request of `POST /v1/responses`. Fields that need stored responses are refused: the
 * ingress has removed them where it can store a response, and everywhere else nothing is stored.
 */

/** Fields that store a response, or refer to stored ones. */
export const STORED_FIELDS = [
  'previous_response_id',
  'conversation',
  'background',
  'store',
] as const;
/** Fields of the Responses API that the chat contract has in another form, or not at all. */
const LOWERED: readonly string[] = [
  ...STORED_FIELDS,
  'input',
  'instructions',
  'text',
  'tools',
  'tool_choice',
  'reasoning',
  'include',
  'metadata',
];
/** Value of `include` that asks for the probability of each token. */
const LOGPROBS = 'message.output_text.logprobs';

export function lowerResponses(body: JsonObject): JsonObject {
  for (const field of STORED_FIELDS)
    if (isGiven(body[field]) && body[field] !== false)
      throw invalid(
        field,
        `${field} is not supported here: blind mode, compactions and WebSockets store nothing.`,
      );
  const rest = Object.fromEntries(
    Object.entries(body).filter(([field]) => !LOWERED.includes(field)),
  );
  const effort = isObject(body['reasoning']) ? body['reasoning']['effort'] : undefined;
  const format = isObject(body['text']) ? body['text']['format'] : undefined;
  return {
    ...rest,
    messages: [...instructionsOf(body['instructions']), ...messagesOf(body['input'])],
    ...(isGiven(body['tools']) && { tools: functionToolsOf(body['tools']) }),
    ...(isGiven(body['tool_choice']) && {
      tool_choice: functionChoiceOf(body['tool_choice'], body['tools']),
    }),
    ...(isGiven(effort) && { reasoning_effort: effort }),
    ...(isGiven(format) && { response_format: responseFormatOf(format) }),
    ...((isGiven(body['top_logprobs']) || includes(body['include'], LOGPROBS)) && {
      logprobs: true,
    }),
  };
}

function includes(list: unknown, value: string): boolean {
  if (!isGiven(list)) return false;
  if (!Array.isArray(list)) throw invalid('include', 'include must be a list.');
  return list.includes(value);
}

function instructionsOf(instructions: unknown): JsonObject[] {
  if (!isGiven(instructions) || instructions === '') return [];
  if (typeof instructions !== 'string')
    throw invalid('instructions', 'instructions must be a string.');
  return [{ role: 'system', content: instructions }];
}

function responseFormatOf(format: unknown): unknown {
  if (!isObject(format) || format['type'] !== 'json_schema') return format;
  const { type, ...schema } = format;
  return { type, json_schema: schema };
}
