import { invalid, isGiven, isObject, type JsonObject, quoted } from './json.ts';
import { checkSchema } from './schema-check.ts';

/**
 * The rules of the chat contract, to which every surface lowers its requests. A provider may still
 * refuse a request that satisfies them, but cannot misread it.
 */

const MAX_MESSAGES = 10_000;
const MAX_PARTS = 1_024;
const MAX_TOOLS = 128;
const MAX_TOP_LOGPROBS = 20;
const FUNCTION_NAME = /^[a-zA-Z0-9_-]{1,64}$/;
const INLINE_IMAGE = /^data:image\/(?:png|jpeg|webp|gif);base64,[A-Za-z0-9+/]+={0,2}$/;
const ROLES = ['system', 'developer', 'user', 'assistant', 'tool', 'function'];
const EFFORTS = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh'];
const SHOWN_REFERENCE = 200;

export interface ChatShape {
  readonly messages: readonly JsonObject[];
  readonly images: number;
  readonly hasTools: boolean;
}

/** Throws an ApiError with the reason. Fields that are not part of the contract are ignored. */
export function checkChat(body: JsonObject): ChatShape {
  const messages = checkMessages(body['messages']);
  if (isGiven(body['n']) && body['n'] !== 1) throw invalid('n', 'Only n = 1 is supported.');
  const names = checkTools(body['tools']);
  checkToolChoice(body['tool_choice'], names);
  checkFlag(body, 'parallel_tool_calls');
  checkContinuation(body, messages);
  checkResponseFormat(body['response_format']);
  checkLogprobs(body);
  checkNumber(body, 'temperature', { minimum: 0, maximum: 2 });
  checkNumber(body, 'top_p', { minimum: 0, maximum: 1 });
  checkNumber(body, 'frequency_penalty', { minimum: -2, maximum: 2 });
  checkNumber(body, 'presence_penalty', { minimum: -2, maximum: 2 });
  checkInteger(body, 'seed', {
    minimum: Number.MIN_SAFE_INTEGER,
    maximum: Number.MAX_SAFE_INTEGER,
  });
  checkLogitBias(body['logit_bias']);
  if (isGiven(body['reasoning_effort']) && !EFFORTS.includes(body['reasoning_effort'] as string)) {
    throw invalid('reasoning_effort', `reasoning_effort must be one of ${EFFORTS.join(', ')}.`);
  }
  const images = messages.reduce((sum, message) => sum + imagesIn(message['content']), 0);
  return { messages, images, hasTools: names.length > 0 };
}

/** The stop strings as a list. A single string is a list of one. */
export function checkStop(stop: unknown): string[] | undefined {
  if (!isGiven(stop)) return undefined;
  const list = typeof stop === 'string' ? [stop] : stop;
  if (
    !Array.isArray(list) ||
    list.length > 16 ||
    !list.every((item) => typeof item === 'string' && item.length > 0 && item.length <= 1024)
  ) {
    throw invalid('stop', 'stop must be a string or an array of at most 16 strings.');
  }
  return list;
}

export function checkFlag(body: JsonObject, field: string): boolean {
  const value = body[field];
  if (!isGiven(value)) return false;
  if (typeof value !== 'boolean') throw invalid(field, `${field} must be true or false.`);
  return value;
}

/**
 * With `continue_final_message`, the model continues the last message instead of writing a new one.
 */
function checkContinuation(body: JsonObject, messages: readonly JsonObject[]): void {
  if (!checkFlag(body, 'continue_final_message')) return;
  const last = messages.at(-1);
  const isText = typeof last?.['content'] === 'string' && last['content'].trim() !== '';
  if (last?.['role'] !== 'assistant' || !isText || isGiven(last['tool_calls']))
    throw invalid(
      'messages',
      'An answer can be continued only if the last message is a text of the assistant without tool calls.',
    );
}

function checkMessages(messages: unknown): JsonObject[] {
  if (!Array.isArray(messages) || messages.length === 0)
    throw invalid('messages', 'messages is required and must be a non-empty array.');
  if (messages.length > MAX_MESSAGES)
    throw invalid('messages', `messages has more than ${MAX_MESSAGES} entries.`);
  for (const [index, message] of messages.entries()) checkMessage(message, `messages[${index}]`);
  return messages;
}

function checkMessage(message: unknown, at: string): void {
  if (!isObject(message)) throw invalid('messages', `${at} must be an object.`);
  const { role, content, tool_calls: calls, tool_call_id: callId } = message;
  if (typeof role !== 'string' || !ROLES.includes(role))
    throw invalid('messages', `${at}.role must be one of ${ROLES.join(', ')}.`);
  if (role === 'tool' && typeof callId !== 'string')
    throw invalid('messages', `${at} answers a tool call and needs its tool_call_id.`);
  if (isGiven(calls)) checkCalls(calls, at);
  // Only a message of the assistant may be without content, when it consists of tool calls.
  if (typeof content === 'string' || (!isGiven(content) && role === 'assistant')) return;
  if (!Array.isArray(content) || content.length > MAX_PARTS)
    throw invalid('messages', `${at}.content must be a string or an array of parts.`);
  for (const part of content) checkPart(part, at);
}

function checkCalls(calls: unknown, at: string): void {
  const isCall = (call: unknown) =>
    isObject(call) &&
    typeof call['id'] === 'string' &&
    isObject(call['function']) &&
    typeof call['function']['name'] === 'string' &&
    typeof call['function']['arguments'] === 'string';
  if (!Array.isArray(calls) || calls.length > MAX_TOOLS || !calls.every(isCall)) {
    throw invalid(
      'messages',
      `${at}.tool_calls must be an array of calls, each with an id and a function with a name and arguments.`,
    );
  }
}

function checkPart(part: unknown, at: string): void {
  if (!isObject(part) || typeof part['type'] !== 'string')
    throw invalid('messages', `${at}.content has a part without a type.`);
  switch (part['type']) {
    case 'text':
      if (typeof part['text'] !== 'string')
        throw invalid('messages', `${at}.content: a text part needs a text.`);
      return;
    case 'image_url':
      return checkImage(isObject(part['image_url']) ? part['image_url']['url'] : undefined, at);
    default:
      throw invalid(
        'messages',
        `${at}.content: parts of type ${quoted(part['type'])} are not supported.`,
      );
  }
}

/**
 * Accepts inline images only. If the ingress fetched an address from a request, a caller could make
 * it call internal services in its own name (server-side request forgery), and the server at that
 * address would learn who asked.
 */
function checkImage(url: unknown, at: string): void {
  if (typeof url !== 'string')
    throw invalid('messages', `${at}.content: an image_url part needs an image_url.url.`);
  if (!url.startsWith('data:')) {
    throw invalid(
      'messages',
      `${at}.content: images must be inline data: URIs; ${quoted(url, SHOWN_REFERENCE)} is not fetched.`,
    );
  }
  if (!INLINE_IMAGE.test(url))
    throw invalid(
      'messages',
      `${at}.content: an inline image must be base64 of a png, jpeg, webp or gif.`,
    );
}

function imagesIn(content: unknown): number {
  return Array.isArray(content)
    ? content.filter((part) => isObject(part) && part['type'] === 'image_url').length
    : 0;
}

function checkTools(tools: unknown): string[] {
  if (!isGiven(tools)) return [];
  if (!Array.isArray(tools) || tools.length > MAX_TOOLS)
    throw invalid('tools', `tools must be an array of at most ${MAX_TOOLS}.`);
  return tools.map((tool, index) => {
    if (!isObject(tool) || tool['type'] !== 'function' || !isObject(tool['function']))
      throw invalid('tools', `tools[${index}] must be of type "function".`);
    const { name, parameters } = tool['function'];
    if (typeof name !== 'string' || !FUNCTION_NAME.test(name))
      throw invalid(
        'tools',
        `tools[${index}].function.name must be 1 to 64 letters, digits, _ or -.`,
      );
    if (isGiven(parameters) && !isObject(parameters))
      throw invalid('tools', `tools[${index}].function.parameters must be a JSON schema.`);
    if (isObject(parameters)) checkSchema(parameters, `tools[${index}].function.parameters`);
    return name;
  });
}

function checkToolChoice(choice: unknown, names: readonly string[]): void {
  if (!isGiven(choice) || choice === 'none' || choice === 'auto') return;
  const named =
    isObject(choice) && choice['type'] === 'function' && isObject(choice['function'])
      ? choice['function']['name']
      : undefined;
  if (choice !== 'required' && typeof named !== 'string') {
    throw invalid(
      'tool_choice',
      'tool_choice must be "none", "auto", "required" or {"type": "function", "function": {"name": …}}.',
    );
  }
  if (names.length === 0)
    throw invalid('tool_choice', 'tool_choice requires a call, but the request has no tools.');
  if (typeof named === 'string' && !names.includes(named))
    throw invalid(
      'tool_choice',
      `tool_choice names ${quoted(named)}, which is not among the tools.`,
    );
}

function checkResponseFormat(format: unknown): void {
  if (!isGiven(format)) return;
  const type = isObject(format) ? format['type'] : undefined;
  if (type === 'text' || type === 'json_object') return;
  if (type !== 'json_schema')
    throw invalid(
      'response_format',
      'response_format.type must be "text", "json_object" or "json_schema".',
    );
  const schema = (format as JsonObject)['json_schema'];
  if (!isObject(schema) || (isGiven(schema['schema']) && !isObject(schema['schema']))) {
    throw invalid('response_format', 'response_format.json_schema needs a name and a schema.');
  }
  if (isObject(schema['schema']))
    checkSchema(schema['schema'], 'response_format.json_schema.schema');
}

function checkLogprobs(body: JsonObject): void {
  const wanted = checkFlag(body, 'logprobs');
  if (!isGiven(body['top_logprobs'])) return;
  if (!wanted) throw invalid('top_logprobs', 'top_logprobs needs logprobs: true.');
  checkInteger(body, 'top_logprobs', { minimum: 0, maximum: MAX_TOP_LOGPROBS });
}

function checkLogitBias(bias: unknown): void {
  if (!isGiven(bias)) return;
  const isBias = (value: unknown) => typeof value === 'number' && value >= -100 && value <= 100;
  if (!isObject(bias) || Object.keys(bias).length > 1_024 || !Object.values(bias).every(isBias)) {
    throw invalid('logit_bias', 'logit_bias must map token ids to numbers from -100 to 100.');
  }
}

function checkNumber(
  body: JsonObject,
  field: string,
  { minimum, maximum }: { minimum: number; maximum: number },
): void {
  const value = body[field];
  if (!isGiven(value)) return;
  if (typeof value !== 'number' || !(value >= minimum && value <= maximum))
    throw invalid(field, `${field} must be a number from ${minimum} to ${maximum}.`);
}

function checkInteger(
  body: JsonObject,
  field: string,
  { minimum, maximum }: { minimum: number; maximum: number },
): void {
  checkNumber(body, field, { minimum, maximum });
  if (isGiven(body[field]) && !Number.isSafeInteger(body[field]))
    throw invalid(field, `${field} must be a whole number.`);
}
