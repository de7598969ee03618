import { Hash, RECEIPT_SALT_BYTES } from '../bytes.ts';
import { Bytes, defineMessage } from '../codec.ts';
import { BuildId } from '../ids.ts';
import { countUpTo, optional } from '../schema-parts.ts';
import { type Static, Type } from '../type.ts';
import { REFUSAL_ABOUTS } from './outcomes.ts';
import { PrefixTag } from './prefix-tag.ts';
import { Finish, PromptUsage, Usage } from './vocabulary.ts';

/**
 * Content of sealed messages: the only messages with prompts and completions. They exist in clear
 * text only at the two ends of the seal: provider, and ingress or client.
 */

const content = Type.Union([
  Type.String(),
  Type.Null(),
  Type.Array(Type.Object({ type: Type.String({ maxLength: 64 }) }), { maxItems: 1024 }),
]);
const JsonSchema = Type.Record(Type.String(), Type.Unknown());
const tool = Type.Object({
  type: Type.Literal('function'),
  function: Type.Object({
    name: Type.String({ minLength: 1, maxLength: 64 }),
    parameters: optional(JsonSchema),
  }),
});
const toolChoice = Type.Union([
  Type.Enum(['none', 'auto', 'required']),
  Type.Object({
    type: Type.Literal('function'),
    function: Type.Object({ name: Type.String({ maxLength: 64 }) }),
  }),
]);
const responseFormat = Type.Object({
  type: Type.Enum(['text', 'json_object', 'json_schema']),
  json_schema: optional(Type.Object({ schema: optional(JsonSchema) })),
});

/** The number of a token in the vocabulary of a model. */
const TokenId = countUpTo(0x7fff_ffff);
/** Most tokens of an answer that another machine can continue. */
export const MAX_CONTINUED_TOKENS = 16_384;

/** The part of an answer that its client has, written by another machine with the same build. */
const continuation = Type.Object({
  tokens: Type.Array(TokenId, { minItems: 1, maxItems: MAX_CONTINUED_TOKENS }),
  /** The text of all deltas of the client, one after the other. */
  text: Type.String(),
  /** Number of tool calls that have begun in the client's deltas. */
  calls: countUpTo(128),
  /** Key of the hashes in the receipt: the client knows the one of the first machine. */
  receiptSalt: Bytes({ min: RECEIPT_SALT_BYTES, max: RECEIPT_SALT_BYTES }),
});
export type Continuation = Static<typeof continuation>;

const request = Type.Object({
  /**
   * The request as a chat request; the ingress translates other surfaces into it. Unknown fields
   * are forwarded.
   */
  chat: Type.Object({
    messages: Type.Array(
      Type.Object({ role: Type.String({ maxLength: 64 }), content: optional(content) }),
      { minItems: 1, maxItems: 10_000 },
    ),
    max_tokens: Type.Integer({ minimum: 1, maximum: 10_000_000 }),
    stop: optional(Type.Array(Type.String({ maxLength: 1024 }), { maxItems: 16 })),
    seed: optional(Type.Integer()),
    temperature: optional(Type.Number()),
    top_p: optional(Type.Number()),
    tools: optional(Type.Array(tool, { maxItems: 128 })),
    tool_choice: optional(toolChoice),
    parallel_tool_calls: optional(Type.Boolean()),
    response_format: optional(responseFormat),
    reasoning_effort: optional(Type.String({ maxLength: 16 })),
    /** The model continues the last message, a text of the assistant. */
    continue_final_message: optional(Type.Boolean()),
    logprobs: optional(Type.Boolean()),
    top_logprobs: optional(Type.Integer({ minimum: 0, maximum: 20 })),
  }),
  /**
   * The build that the sender sealed this request for. The provider refuses an order for another
   * one, so the coordinator cannot swap models in blind mode.
   */
  build: optional(BuildId),
  /**
   * Requests with the same scope may share a provider's cached results for a common beginning of
   * their prompts. A request without a scope shares nothing. Sharing between customers would
   * reveal, by the speed of an answer, which prompts others sent.
   */
  cacheScope: optional(Type.String({ minLength: 1, maxLength: 64 })),
  /**
   * The name under which the provider tells routing that it has this prompt in its cache. Absent if the
   * coordinator does not know the prompt, or if the prompt is short.
   */
  prefixTag: optional(PrefixTag),
  /**
   * The deltas shall have the ids of their tokens, with which another machine can continue the
   * answer.
   */
  reportsIds: optional(Type.Boolean()),
  /** Continue this answer, and send only what follows. */
  continues: optional(continuation),
});
export type InferenceRequest = Static<typeof request>;
export const MAX_REQUEST_BYTES = 16 * 1024 * 1024;
/** Maximum size of the JSON schema of an answer, in characters of its JSON text. */
export const MAX_SCHEMA_CHARACTERS = 256 * 1024;

const Token = { token: Type.String({ maxLength: 256 }), logprob: Type.Number({ maximum: 0 }) };
const TokenLogprob = Type.Object({
  ...Token,
  top: Type.Array(Type.Object(Token), { maxItems: 20 }),
});
export type TokenLogprob = Static<typeof TokenLogprob>;

/** Number of tokens in this delta; a delta may contain several tokens. */
const tokens = Type.Integer({ minimum: 1, maximum: 100_000 });
/**
 * Tokens of the prompt. Only in the first delta of an attempt, and only from engines that know them
 * before the end.
 */
const prompt = optional(PromptUsage);
/**
 * Tokens that the model has written since the last delta with ids, including those whose text is
 * still held back. Absent from engines that do not know them.
 */
const ids = optional(Type.Array(TokenId, { maxItems: 100_000 }));
/**
 * Number of tokens that this answer continues. Only in the first delta of a continuation: a machine
 * that does not know continuations would begin the answer again.
 */
const continued = optional(countUpTo(MAX_CONTINUED_TOKENS));
const textDelta = Type.Object({
  k: Type.Literal('text'),
  text: Type.String(),
  tokens,
  prompt,
  ids,
  continued,
  logprobs: optional(Type.Array(TokenLogprob, { maxItems: 256 })),
});
const reasoningDelta = Type.Object({
  k: Type.Literal('reasoning'),
  text: Type.String(),
  tokens,
  prompt,
  ids,
  continued,
});
/**
 * Tool calls follow one another: `index` increases by one for each, and the first delta of a call
 * has its id and name.
 */
const toolDelta = Type.Object({
  k: Type.Literal('tool'),
  index: Type.Integer({ minimum: 0, maximum: 127 }),
  id: optional(Type.String({ minLength: 1, maxLength: 64 })),
  name: optional(Type.String({ minLength: 1, maxLength: 64 })),
  text: Type.String(),
  tokens,
  prompt,
  ids,
  continued,
});
/**
 * A part of an answer. `text` is output of the model: answer text, reasoning, or a part of the JSON
 * arguments of a tool call.
 */
export const Delta = Type.Union([textDelta, reasoningDelta, toolDelta]);
export type Delta = Static<typeof Delta>;

const end = Type.Object({
  k: Type.Literal('end'),
  finish: Finish,
  usage: Usage,
  /** The stop string of the request that ended the answer. */
  stopSequence: optional(Type.String({ maxLength: 1024 })),
  requestHash: Hash,
  responseHash: Hash,
  /**
   * Only with the finish `error`: the part of the request that caused the failure, if the engine
   * itself works.
   */
  about: optional(Type.Enum(REFUSAL_ABOUTS)),
});
export type InferenceEnd = Static<typeof end>;
export type InferenceEvent = Delta | InferenceEnd;

const frame = Type.Object({
  events: Type.Array(Type.Union([textDelta, end, reasoningDelta, toolDelta]), {
    minItems: 1,
    maxItems: 256,
  }),
});
export type FrameContent = Static<typeof frame>;
/** Maximum length of a provider's explanation for a client, in characters. */
export const MAX_DETAIL_CHARACTERS = 300;
/** Explanation for the client why a provider cannot use its request. */
export const RefusalDetail = defineMessage(
  'refusal-detail',
  Type.Object({ message: Type.String({ minLength: 1, maxLength: MAX_DETAIL_CHARACTERS }) }),
);
export const FrameContent = defineMessage('frame-content', frame);
export const InferenceRequest = defineMessage('inference-request', request, MAX_REQUEST_BYTES);
