import { isUtf8 } from 'node:buffer';
import type { InferenceRequest } from '#bus-schemas';
import { ApiError } from '../errors.ts';

/** What is learned from a chat request before it is routed. Two prompt numbers that are never mixed: an estimate for routing, a bound for money. */
export interface ChatIntent {
  readonly model: string;
  readonly streamed: boolean;
  readonly includeUsage: boolean;
  /** About four bytes a token and a little for each message. */
  readonly promptEstimate: number;
  /** No tokeniser makes more tokens than bytes. */
  readonly promptBound: number;
  /** Undefined where the request names no limit: the model's own is used. */
  readonly maxOutputTokens: number | undefined;
  readonly body: Record<string, unknown>;
}

const MAX_DEPTH = 64;
const MAX_MESSAGES = 10_000;
const MESSAGE_FRAMING_TOKENS = 4;
const BYTES_PER_TOKEN = 4;
const LIMIT_FIELDS = ['max_tokens', 'max_completion_tokens', 'max_output_tokens'] as const;
/** Spent at the ingress, or telling who the caller is: not for the provider. */
const STRIPPED_FIELDS = ['model', 'stream', 'stream_options', 'user', 'metadata', 'safety_identifier', 'prompt_cache_key', 'store', 'n', ...LIMIT_FIELDS];

export function parseJson(body: Buffer): Record<string, unknown> {
  if (!isUtf8(body)) throw new ApiError('invalid_json', 'The body is not valid UTF-8.');
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw new ApiError('invalid_json', 'The body is not valid JSON.', { cause });
  }
  if (!isObject(value)) throw new ApiError('invalid_json', 'The body must be a JSON object.');
  if (isDeeperThan(value, MAX_DEPTH)) throw new ApiError('invalid_request', `The body is nested more than ${MAX_DEPTH} deep.`);
  return value;
}

export function introspectChat(body: Record<string, unknown>): ChatIntent {
  const messages = checkMessages(body['messages']);
  checkN(body['n']);
  const promptBytes = Buffer.byteLength(JSON.stringify(messages));
  return {
    model: checkModel(body['model']),
    streamed: checkFlag(body, 'stream'),
    includeUsage: wantsUsage(body['stream_options']),
    promptEstimate: Math.max(1, Math.floor(promptBytes / BYTES_PER_TOKEN)) + MESSAGE_FRAMING_TOKENS * messages.length,
    promptBound: promptBytes,
    maxOutputTokens: outputLimit(body),
    body,
  };
}

/** The body as the provider gets it: the limit that money was held for is written into it. */
export function forwardedRequest(intent: ChatIntent, maxOutputTokens: number): InferenceRequest {
  const chat: Record<string, unknown> = { ...intent.body };
  for (const field of STRIPPED_FIELDS) delete chat[field];
  chat['max_tokens'] = maxOutputTokens;
  const stop = checkStop(chat['stop']);
  if (stop === undefined) delete chat['stop'];
  else chat['stop'] = stop;
  checkNumber(chat, 'temperature', 0, 2);
  checkNumber(chat, 'top_p', 0, 1);
  checkInteger(chat, 'seed');
  return { chat } as InferenceRequest;
}

function checkModel(model: unknown): string {
  if (typeof model !== 'string' || model === '') throw invalid('model', 'model is required and must be a string.');
  if (model.length > 128) throw new ApiError('model_not_found', 'No such model.', { param: 'model' });
  return model;
}

function checkMessages(messages: unknown): Record<string, unknown>[] {
  if (!Array.isArray(messages) || messages.length === 0) throw invalid('messages', 'messages is required and must be a non-empty array.');
  if (messages.length > MAX_MESSAGES) throw invalid('messages', `messages has more than ${MAX_MESSAGES} entries.`);
  for (const [index, message] of messages.entries()) checkMessage(message, index);
  return messages;
}

function checkMessage(message: unknown, index: number): void {
  if (!isObject(message)) throw invalid('messages', `messages[${index}] must be an object.`);
  const { role, content } = message;
  if (typeof role !== 'string' || role === '' || role.length > 64) throw invalid('messages', `messages[${index}].role must be a string.`);
  if (content === undefined || content === null || typeof content === 'string') return;
  if (!Array.isArray(content) || content.length > 1024) throw invalid('messages', `messages[${index}].content must be a string or an array of parts.`);
  for (const part of content) {
    if (!isObject(part) || typeof part['type'] !== 'string') throw invalid('messages', `messages[${index}].content has a part without a type.`);
    if (part['type'] !== 'text')
      throw invalid('messages', `messages[${index}].content: parts of type ${JSON.stringify(part['type'].slice(0, 32))} are not supported.`);
    if (typeof part['text'] !== 'string') throw invalid('messages', `messages[${index}].content: a text part needs a text.`);
  }
}

function checkN(n: unknown): void {
  if (n !== undefined && n !== null && n !== 1) throw invalid('n', 'Only n = 1 is supported.');
}

function checkFlag(body: Record<string, unknown>, field: string): boolean {
  const value = body[field];
  if (value === undefined || value === null) return false;
  if (typeof value !== 'boolean') throw invalid(field, `${field} must be true or false.`);
  return value;
}

function wantsUsage(options: unknown): boolean {
  if (options === undefined || options === null) return false;
  if (!isObject(options)) throw invalid('stream_options', 'stream_options must be an object.');
  return checkFlag(options, 'include_usage');
}

function outputLimit(body: Record<string, unknown>): number | undefined {
  let limit: number | undefined;
  for (const field of LIMIT_FIELDS) {
    const value = body[field];
    if (value === undefined || value === null || value === 0) continue;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) throw invalid(field, `${field} must be a positive whole number.`);
    limit ??= value;
  }
  return limit;
}

function checkStop(stop: unknown): string[] | undefined {
  if (stop === undefined || stop === null) return undefined;
  const list = typeof stop === 'string' ? [stop] : stop;
  if (!Array.isArray(list) || list.length > 16 || !list.every((item) => typeof item === 'string' && item.length <= 1024)) {
    throw invalid('stop', 'stop must be a string or an array of at most 16 strings.');
  }
  return list;
}

function checkNumber(chat: Record<string, unknown>, field: string, minimum: number, maximum: number): void {
  const value = chat[field];
  if (value === undefined || value === null) {
    delete chat[field];
    return;
  }
  if (typeof value !== 'number' || !(value >= minimum && value <= maximum)) throw invalid(field, `${field} must be a number from ${minimum} to ${maximum}.`);
}

function checkInteger(chat: Record<string, unknown>, field: string): void {
  const value = chat[field];
  if (value === undefined || value === null) {
    delete chat[field];
    return;
  }
  if (!Number.isSafeInteger(value)) throw invalid(field, `${field} must be a whole number.`);
}

function invalid(param: string, message: string): ApiError {
  return new ApiError('invalid_request', message, { param });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Level by level, so that hostile nesting cannot exhaust the stack. */
function isDeeperThan(value: unknown, limit: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > limit) return true;
    level = level.flatMap((item) => (typeof item === 'object' && item !== null ? Object.values(item) : []));
  }
  return false;
}
