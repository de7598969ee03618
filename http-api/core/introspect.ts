import { BYTES_PER_TOKEN, type InferenceRequest, type KeyAmounts, type Trait } from '#bus-schemas';
import { ApiError } from '../errors.ts';
import { checkChat } from './chat-request.ts';
import type { ChatRequest } from './chat-schema.ts';
import { refuseFallbacks } from './fallback-models.ts';
import { BILLED_FIELDS, type ChatField, forwardedFields } from './forwarded-fields.ts';
import { imageTokenBound } from './images/inline-image.ts';
import { invalid, isGiven, type JsonObject } from './json.ts';
import { withoutVariant } from './model-variant.ts';
import { type ProviderPreferences, providerPreferences } from './provider-preferences.ts';

/**
 * The properties of a chat request that routing and settlement need. It has two numbers for the
 * prompt, which must not replace each other: an estimate for routing, and an upper bound for money.
 */
export interface ChatIntent extends ProviderPreferences {
  readonly model: string;
  readonly streamed: boolean;
  readonly includeUsage: boolean;
  /**
   * Estimated prompt tokens, for routing: four bytes of text for each, and a constant for each
   * message and image.
   */
  readonly promptEstimate: number;
  /**
   * Most prompt tokens, for money: a tokenizer makes at most one token of each byte of text, and the
   * tokens of an image follow from its size.
   */
  readonly promptBound: number;
  /** Counted against the limits of the key, besides the output tokens, which the model limits. */
  readonly amounts: KeyAmounts;
  /** Undefined if the request has no limit; the limit of the model is used then. */
  readonly maxOutputTokens: number | undefined;
  /** Traits that model and machine must have. */
  readonly requires: readonly Trait[];
  readonly body: JsonObject;
  /** The JSON of each message, from which the digests of the conversation are made too. */
  readonly messageTexts: readonly Buffer[];
}

export const MESSAGE_FRAMING_TOKENS = 4;
export const TOKENS_PER_IMAGE = 300;
/** Most tokens that a model's template adds around a list of tools. */
export const TOOLS_PREAMBLE_TOKENS = 512;
const LIMIT_FIELDS = ['max_tokens', 'max_completion_tokens', 'max_output_tokens'] as const;
const MAX_SHOWN_NAME = 64;
/**
 * Most bytes of JSON in all other fields together. The largest fields that the contract allows are
 * stop strings and biases, of about 16 KiB each.
 */
const MAX_UNBILLED_BYTES = 64 * 1024;

export function introspectChat(asked: JsonObject): ChatIntent {
  refuseFallbacks(asked);
  const body = withoutVariant(asked);
  checkUnbilled(body);
  const { chat, images, hasTools } = checkChat(body);
  const { messages } = chat;
  const messageTexts = messages.map((message) => Buffer.from(JSON.stringify(message)));
  // A list of n values has two brackets and n - 1 commas.
  const promptBytes = messageTexts.reduce((sum, { length }) => sum + length + 1, 1);
  const schemaBytes = sizeOf(chat.tools) + sizeOf(chat.response_format);
  const textBytes = images.length === 0 ? promptBytes : promptBytes - imageBytes(messages);
  const promptEstimate =
    Math.max(1, Math.floor((textBytes + schemaBytes) / BYTES_PER_TOKEN)) +
    MESSAGE_FRAMING_TOKENS * messages.length +
    TOKENS_PER_IMAGE * images.length;
  return {
    model: checkModel(chat.model),
    streamed: chat.stream === true,
    includeUsage: chat.stream_options?.include_usage === true,
    promptEstimate,
    amounts: { inputTokens: promptEstimate },
    promptBound:
      textBytes +
      images.reduce((sum, image) => sum + imageTokenBound(image), 0) +
      schemaBytes +
      (hasTools ? TOOLS_PREAMBLE_TOKENS : 0),
    maxOutputTokens: outputLimit(chat),
    requires: [
      ...(hasTools ? (['tools'] as const) : []),
      ...(images.length > 0 ? (['vision'] as const) : []),
      ...(isGiven(chat.reasoning_effort) &&
      chat.reasoning_effort !== 'none' &&
      chat.reasoning_optional !== true
        ? (['reasoning'] as const)
        : []),
    ],
    ...providerPreferences(body['provider']),
    body,
    messageTexts,
  };
}

/**
 * The body that the provider receives. It contains the limit of output tokens by which money is
 * held, so a provider cannot deliver more than is paid for.
 */
export function forwardedRequest(
  intent: ChatIntent,
  { maxOutputTokens, cacheScope }: { maxOutputTokens: number; cacheScope: string },
): InferenceRequest {
  const chat = forwardedFields(intent.body);
  chat['max_tokens'] = maxOutputTokens;
  if (typeof chat['stop'] === 'string') chat['stop'] = [chat['stop']];
  return { chat, cacheScope } as InferenceRequest;
}

function checkUnbilled(body: JsonObject): void {
  let total = 0;
  for (const [field, value] of Object.entries(body)) {
    if (BILLED_FIELDS.includes(field as ChatField)) continue;
    total += Buffer.byteLength(field) + sizeOf(value);
    if (total <= MAX_UNBILLED_BYTES) continue;
    const param = field.slice(0, MAX_SHOWN_NAME);
    throw invalid(
      param,
      `${param} is too large: the fields of a request that hold no prompt have at most ${MAX_UNBILLED_BYTES / 1024} KiB together.`,
    );
  }
}

function sizeOf(value: unknown): number {
  return isGiven(value) ? Buffer.byteLength(JSON.stringify(value)) : 0;
}

function imageBytes(messages: ChatRequest['messages']): number {
  const parts = messages.flatMap(({ content }) => (Array.isArray(content) ? content : []));
  return parts.reduce((sum, part) => sum + (part.type === 'image_url' ? sizeOf(part) : 0), 0);
}

/** A name that no model can have is answered like the name of a model that does not exist. */
function checkModel(model: string): string {
  if (model.length > 128)
    throw new ApiError('model_not_found', 'There is no such model.', { param: 'model' });
  return model;
}

function outputLimit(chat: ChatRequest): number | undefined {
  return LIMIT_FIELDS.map((field) => chat[field]).find(isGiven) ?? undefined;
}
