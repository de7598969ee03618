import type { InferenceRequest, Trait } from '#bus-schemas';
import { ApiError } from '../errors.ts';
import { checkChat, checkFlag, checkStop } from './chat-request.ts';
import { invalid, isGiven, isObject, type JsonObject } from './json.ts';
import { type ProviderPreferences, providerPreferences } from './provider-preferences.ts';

/** What is learned from a chat request before it is routed. Two prompt numbers that are never mixed: an estimate for routing, a bound for money. */
export interface ChatIntent extends ProviderPreferences {
  readonly model: string;
  readonly streamed: boolean;
  readonly includeUsage: boolean;
  /** About four bytes a token and a little for each message. */
  readonly promptEstimate: number;
  /** No tokeniser makes more tokens than bytes. */
  readonly promptBound: number;
  /** Undefined where the request names no limit: the model's own is used. */
  readonly maxOutputTokens: number | undefined;
  /** What model and machine must be able to do. */
  readonly requires: readonly Trait[];
  readonly body: JsonObject;
}

const MESSAGE_FRAMING_TOKENS = 4;
export const BYTES_PER_TOKEN = 4;
const TOKENS_PER_IMAGE = 300;
/** What a model's template may say around a list of tools. */
export const TOOLS_PREAMBLE_TOKENS = 512;
const LIMIT_FIELDS = ['max_tokens', 'max_completion_tokens', 'max_output_tokens'] as const;
/** Spent at the ingress, or telling who the caller is: not for the provider. */
const STRIPPED_FIELDS = [
  ...['model', 'stream', 'stream_options', 'user', 'metadata', 'safety_identifier', 'prompt_cache_key', 'store', 'service_tier', 'provider', 'n'],
  ...LIMIT_FIELDS,
];

export function introspectChat(body: JsonObject): ChatIntent {
  const { messages, images, hasTools } = checkChat(body);
  const promptBytes = sizeOf(messages);
  const schemaBytes = sizeOf(body['tools']) + sizeOf(body['response_format']);
  const textBytes = images === 0 ? promptBytes : promptBytes - imageBytes(messages);
  const effort = body['reasoning_effort'];
  return {
    model: checkModel(body['model']),
    streamed: checkFlag(body, 'stream'),
    includeUsage: wantsUsage(body['stream_options']),
    promptEstimate: Math.max(1, Math.floor((textBytes + schemaBytes) / BYTES_PER_TOKEN)) + MESSAGE_FRAMING_TOKENS * messages.length + TOKENS_PER_IMAGE * images,
    promptBound: promptBytes + schemaBytes + (hasTools ? TOOLS_PREAMBLE_TOKENS : 0),
    maxOutputTokens: outputLimit(body),
    requires: [
      ...(hasTools ? (['tools'] as const) : []),
      ...(images > 0 ? (['vision'] as const) : []),
      ...(isGiven(effort) && effort !== 'none' ? (['reasoning'] as const) : []),
    ],
    ...providerPreferences(body['provider']),
    body,
  };
}

/** The body as the provider gets it: the limit that money was held for is written into it. */
export function forwardedRequest(intent: ChatIntent, { maxOutputTokens, cacheScope }: { maxOutputTokens: number; cacheScope: string }): InferenceRequest {
  const chat: JsonObject = {};
  for (const [field, value] of Object.entries(intent.body)) if (isGiven(value) && !STRIPPED_FIELDS.includes(field)) chat[field] = value;
  chat['max_tokens'] = maxOutputTokens;
  const stop = checkStop(chat['stop']);
  if (stop !== undefined) chat['stop'] = stop;
  return { chat, cacheScope } as InferenceRequest;
}

function sizeOf(value: unknown): number {
  return isGiven(value) ? Buffer.byteLength(JSON.stringify(value)) : 0;
}

function imageBytes(messages: readonly JsonObject[]): number {
  const parts = messages.flatMap(({ content }) => (Array.isArray(content) ? (content as JsonObject[]) : []));
  return parts.reduce((sum, part) => sum + (part['type'] === 'image_url' ? sizeOf(part) : 0), 0);
}

function checkModel(model: unknown): string {
  if (typeof model !== 'string' || model === '') throw invalid('model', 'model is required and must be a string.');
  if (model.length > 128) throw new ApiError('model_not_found', 'No such model.', { param: 'model' });
  return model;
}

function wantsUsage(options: unknown): boolean {
  if (!isGiven(options)) return false;
  if (!isObject(options)) throw invalid('stream_options', 'stream_options must be an object.');
  return checkFlag(options, 'include_usage');
}

function outputLimit(body: JsonObject): number | undefined {
  let limit: number | undefined;
  for (const field of LIMIT_FIELDS) {
    const value = body[field];
    if (!isGiven(value) || value === 0) continue;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) throw invalid(field, `${field} must be a positive whole number.`);
    limit ??= value;
  }
  return limit;
}
