import { type Static, type TSchema, Type } from '#bus-schemas/type.ts';
import { quoted } from './json.ts';

/**
 * The chat contract, to which every surface lowers its requests: the schema that checks requests,
 * and from which their documentation is generated. Fields that are not in it are ignored. A
 * provider may still refuse a request that satisfies it, but cannot misread it.
 *
 * `x-rule` completes the sentence "The field … " in the error for everything inside a schema, where
 * the keyword that failed would not explain the fault.
 */

const MAX_MESSAGES = 10_000;
const MAX_PARTS = 1_024;
export const MAX_TOOLS = 128;
/** Most stop texts of a request. */
export const STOPS = 16;
const MAX_STOP_LENGTH = 1_024;
const STOP_RULE = `must have 1 to ${MAX_STOP_LENGTH} characters`;
const MAX_BIASES = 1_024;
const ROLES = ['system', 'developer', 'user', 'assistant', 'tool', 'function'] as const;
export const EFFORTS = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh'] as const;
export const INLINE_IMAGE = /^data:image\/(?:png|jpeg|webp|gif);base64,[A-Za-z0-9+/]+={0,2}$/;
/** Most characters of a refused address in an error. */
const SHOWN_REFERENCE = 200;

/** A field that may be absent. Null counts as absent, as in the APIs whose format this is. */
const field = <Schema extends TSchema>(schema: Schema) =>
  Type.Optional(Type.Union([schema, Type.Null()]));
/** A field with several forms. */
const oneOf = <Schemas extends TSchema[]>(schemas: [...Schemas], rule: string) =>
  Type.Optional(Type.Union([...schemas, Type.Null()], { 'x-rule': rule }));

/**
 * Inline images only. If the ingress fetched an address from a request, a caller could make it call
 * internal services in its own name (server-side request forgery), and the server at that address
 * would learn who asked.
 */
const ImageUrl = Type.Refine(
  Type.String({ description: 'A data: URI with the base64 of a png, jpeg, webp or gif.' }),
  (url) => INLINE_IMAGE.test(url),
  (url) =>
    `must be an inline data: URI with the base64 of a png, jpeg, webp or gif; ${quoted(url, SHOWN_REFERENCE)} is not fetched`,
);
const Part = Type.Union(
  [
    Type.Object({
      type: Type.Literal('image_url'),
      image_url: Type.Object({ url: ImageUrl }),
    }),
    Type.Object({ type: Type.Literal('text'), text: Type.String() }),
  ],
  {
    'x-rule':
      'must be {"type": "text", "text": …} or {"type": "image_url", "image_url": {"url": …}}',
  },
);

const Call = Type.Object(
  {
    id: Type.String(),
    function: Type.Object({ name: Type.String(), arguments: Type.String() }),
  },
  { 'x-rule': 'must have an id and a function with a name and arguments' },
);

const Message = Type.Refine(
  Type.Refine(
    Type.Object({
      role: Type.Enum(ROLES),
      content: oneOf(
        [Type.Array(Part, { maxItems: MAX_PARTS }), Type.String()],
        `must be a text or a list of at most ${MAX_PARTS} parts`,
      ),
      tool_calls: field(Type.Array(Call, { maxItems: MAX_TOOLS })),
      tool_call_id: Type.Optional(
        Type.Unknown({ description: 'Required for the role `tool`: the id of the call.' }),
      ),
    }),
    ({ role, tool_call_id: call }) => role !== 'tool' || typeof call === 'string',
    () => 'answers a tool call and needs its tool_call_id',
  ),
  ({ role, content }) => role === 'assistant' || (content !== undefined && content !== null),
  () => 'needs content; only a message of the assistant may consist of tool calls',
);

export const Tool = Type.Object({
  type: Type.Literal('function'),
  function: Type.Object({
    name: Type.String({
      pattern: '^[a-zA-Z0-9_-]{1,64}$',
      'x-rule': 'must be 1 to 64 letters, digits, _ or -',
    }),
    parameters: field(Type.Object({}, { description: 'A JSON schema.' })),
  }),
});

/** The engine counts UTF-16 units; `maxLength` counts characters, which are never more. */
export const Stop = Type.Refine(
  Type.String({ minLength: 1, maxLength: MAX_STOP_LENGTH, 'x-rule': STOP_RULE }),
  (stop) => stop.length <= MAX_STOP_LENGTH,
  () => STOP_RULE,
);
const OutputLimit = Type.Integer({ minimum: 1 });
const Clamped = field(
  Type.Number({ description: 'The engine clamps the value to the range that it has.' }),
);

/** The fields of the contract, except `provider`, which provider-preferences.ts checks. */
export const chatFields = {
  model: Type.String({ minLength: 1, description: 'A model or an alias.' }),
  messages: Type.Array(Message, { minItems: 1, maxItems: MAX_MESSAGES }),
  stream: field(Type.Boolean()),
  stream_options: field(Type.Object({ include_usage: field(Type.Boolean()) })),
  n: oneOf([Type.Literal(1)], 'must be 1 here: this request has one answer'),
  max_tokens: field(OutputLimit),
  max_completion_tokens: field(OutputLimit),
  max_output_tokens: field(OutputLimit),
  stop: oneOf(
    [Type.Array(Stop, { maxItems: STOPS }), Stop],
    `must be a text or a list of at most ${STOPS} texts, each of 1 to ${MAX_STOP_LENGTH} characters`,
  ),
  tools: field(Type.Array(Tool, { maxItems: MAX_TOOLS })),
  tool_choice: oneOf(
    [
      Type.Object({
        type: Type.Literal('function'),
        function: Type.Object({ name: Type.String() }),
      }),
      Type.Enum(['none', 'auto', 'required']),
    ],
    'must be "none", "auto", "required" or {"type": "function", "function": {"name": …}}',
  ),
  parallel_tool_calls: field(Type.Boolean()),
  response_format: oneOf(
    [
      Type.Object({
        type: Type.Literal('json_schema'),
        json_schema: Type.Object({ schema: field(Type.Object({})) }),
      }),
      Type.Object({ type: Type.Enum(['text', 'json_object']) }),
    ],
    'must be {"type": "text"}, {"type": "json_object"} or {"type": "json_schema", "json_schema": {"name": …, "schema": …}}',
  ),
  reasoning_effort: field(Type.Enum(EFFORTS)),
  reasoning_optional: field(
    Type.Boolean({ description: 'A model that cannot reason may answer without reasoning.' }),
  ),
  continue_final_message: field(
    Type.Boolean({
      description: 'The model continues the last message instead of writing a new one.',
    }),
  ),
  seed: field(Type.Integer({ minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER })),
  logprobs: field(Type.Boolean()),
  top_logprobs: field(
    Type.Integer({ minimum: 0, maximum: 20, description: 'Needs `logprobs: true`.' }),
  ),
  logit_bias: oneOf(
    [
      Type.Object(
        {},
        {
          additionalProperties: Type.Number({ minimum: -100, maximum: 100 }),
          maxProperties: MAX_BIASES,
        },
      ),
    ],
    `must map at most ${MAX_BIASES} token ids to numbers from -100 to 100`,
  ),
  temperature: field(Type.Number({ minimum: 0, maximum: 2 })),
  top_p: field(Type.Number({ minimum: 0, maximum: 1 })),
  top_k: Clamped,
  min_p: Clamped,
  repetition_penalty: Clamped,
  frequency_penalty: field(Type.Number({ minimum: -2, maximum: 2 })),
  presence_penalty: field(Type.Number({ minimum: -2, maximum: 2 })),
};

export const ChatRequest = Type.Object(chatFields);
export type ChatRequest = Static<typeof ChatRequest>;
