import type { ChatRequest } from './chat-schema.ts';
import { isGiven, type JsonObject } from './json.ts';

export type ChatField = keyof ChatRequest;

/** Fields that hold the prompt: their size is part of the bound by which money is held. */
export const BILLED_FIELDS: readonly ChatField[] = ['messages', 'tools', 'response_format'];
/**
 * Fields that a provider receives. All other fields stay here: fields that identify the caller, and
 * unknown fields, which a customer could use to send data to a machine without paying for it.
 */
const FORWARDED_FIELDS: readonly ChatField[] = [
  ...BILLED_FIELDS,
  'tool_choice',
  'parallel_tool_calls',
  'reasoning_effort',
  'continue_final_message',
  'stop',
  'seed',
  'logprobs',
  'top_logprobs',
  'logit_bias',
  'temperature',
  'top_p',
  'top_k',
  'min_p',
  'repetition_penalty',
  'frequency_penalty',
  'presence_penalty',
];

/** The part of a chat request that an engine receives. */
export function forwardedFields(body: JsonObject): JsonObject {
  const chat: JsonObject = {};
  for (const field of FORWARDED_FIELDS) if (isGiven(body[field])) chat[field] = body[field];
  const { tools, response_format: format } = chat as Partial<ChatRequest>;
  if (tools?.some((tool) => tool.function.parameters === null))
    chat['tools'] = tools.map((tool) => ({ ...tool, function: withoutNulls(tool.function) }));
  if (format?.type === 'json_schema' && format.json_schema.schema === null)
    chat['response_format'] = { ...format, json_schema: withoutNulls(format.json_schema) };
  return chat;
}

/** Null counts as absent, but a provider refuses a schema that is null. */
const withoutNulls = (value: object): object =>
  Object.fromEntries(Object.entries(value).filter(([, member]) => isGiven(member)));
