import { invalid, isGiven, isObject, type JsonObject } from '../json.ts';
import { conversationOf } from './messages-conversation.ts';
import { toolChoiceOf, toolsOf } from './messages-tools.ts';

/** Lowers the request of Anthropic's `POST /v1/messages`. */

/** Fields of the Messages API that the chat contract has under another name, or not at all. */
const LOWERED = [
  'system',
  'messages',
  'tools',
  'tool_choice',
  'stop_sequences',
  'thinking',
  'output_config',
  'output_format',
];
/** Anthropic's efforts, and those of the chat contract. */
const EFFORTS: Readonly<Record<string, string>> = {
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'xhigh',
  max: 'xhigh',
};

export function lowerMessages(body: JsonObject): JsonObject {
  if (!isGiven(body['max_tokens'])) throw invalid('max_tokens', 'max_tokens is required.');
  const { messages } = body;
  if (!Array.isArray(messages) || messages.length === 0)
    throw invalid('messages', 'messages is required and must be a non-empty array.');
  const rest = Object.fromEntries(
    Object.entries(body).filter(([field]) => !LOWERED.includes(field)),
  );
  const tools = toolsOf(body['tools'], messages);
  const format = formatOf(body);
  return {
    ...rest,
    messages: conversationOf(body['system'], messages),
    ...(tools.length > 0 && { tools }),
    ...(isGiven(body['tool_choice']) && toolChoiceOf(body['tool_choice'])),
    ...(isGiven(body['stop_sequences']) && { stop: stopsOf(body['stop_sequences']) }),
    ...(format !== undefined && { response_format: format }),
    ...reasoningOf(body),
    ...(isPrefilled(messages) && { continue_final_message: true }),
  };
}

export function wantsThinking(body: JsonObject): boolean {
  return thinkingType(body) !== 'disabled';
}

/** Whether the text of the reasoning is left out of the answer. */
export function omitsThinking({ thinking }: JsonObject): boolean {
  return isObject(thinking) && thinking['display'] === 'omitted';
}

function thinkingType({ thinking }: JsonObject): 'enabled' | 'adaptive' | 'disabled' {
  if (!isGiven(thinking)) return 'disabled';
  const type = isObject(thinking) ? thinking['type'] : undefined;
  if (type !== 'enabled' && type !== 'adaptive' && type !== 'disabled')
    throw invalid('thinking', 'thinking.type must be "enabled", "adaptive" or "disabled".');
  return type;
}

/**
 * With `adaptive`, the model decides whether it reasons, so a model without reasoning may answer as
 * well.
 */
function reasoningOf(body: JsonObject): JsonObject {
  const type = thinkingType(body);
  const effort = effortOf(body);
  if (type === 'disabled') return {};
  return {
    reasoning_effort: effort ?? 'medium',
    ...(type === 'adaptive' && { reasoning_optional: true }),
  };
}

/** The effort of the request. The last system message that has one replaces it. */
function effortOf({ output_config: config, messages }: JsonObject): string | undefined {
  const configs = [
    config,
    ...(messages as unknown[]).map((message) =>
      isObject(message) && message['role'] === 'system' ? message['output_config'] : undefined,
    ),
  ];
  let effort: string | undefined;
  for (const given of configs) {
    if (!isGiven(given)) continue;
    if (!isObject(given)) throw invalid('output_config', 'output_config must be an object.');
    if (!isGiven(given['effort'])) continue;
    effort = EFFORTS[String(given['effort'])];
    if (effort === undefined)
      throw invalid(
        'output_config',
        `output_config.effort must be one of ${Object.keys(EFFORTS).join(', ')}.`,
      );
  }
  return effort;
}

/** `output_config.format`, or its older name `output_format`, as a `response_format`. */
function formatOf({ output_config: config, output_format: older }: JsonObject): unknown {
  const newer = isObject(config) ? config['format'] : undefined;
  const [param, format] = isGiven(newer) ? ['output_config', newer] : ['output_format', older];
  if (!isGiven(format)) return undefined;
  if (!isObject(format) || format['type'] !== 'json_schema' || !isObject(format['schema']))
    throw invalid(
      param as string,
      'The format of the output must be {"type": "json_schema", "schema": …}.',
    );
  return { type: 'json_schema', json_schema: { name: 'output', schema: format['schema'] } };
}

/** Whether the last message is the beginning of the answer, which the model continues. */
function isPrefilled(messages: readonly unknown[]): boolean {
  const last = messages.at(-1);
  return isObject(last) && last['role'] === 'assistant';
}

function stopsOf(stops: unknown): unknown {
  if (!Array.isArray(stops))
    throw invalid('stop_sequences', 'stop_sequences must be an array of strings.');
  return stops;
}
