import { MAX_CHOICES } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import { INLINE_IMAGE, MAX_TOOLS, Tool } from '../chat-schema.ts';

/**
 * Documents the conversations of OpenAI's requests. The surfaces check requests while they lower
 * them; these schemas describe for clients which requests pass. Rules that concern several messages,
 * such as the order of calls and their outputs, are not in them. Neither are the limits on the
 * numbers of messages and parts: bodies of 16 MiB would be needed to test them.
 */

const optional = Type.Optional;
const text = Type.String();
const orNull = <Schema extends Parameters<typeof Type.Union>[0][number]>(schema: Schema) =>
  Type.Union([schema, Type.Null()]);

const InlineImage = Type.String({
  pattern: INLINE_IMAGE.source,
  description: 'A data: URI with the base64 of a png, jpeg, webp or gif.',
});
const ChatContent = Type.Union([
  text,
  Type.Array(
    Type.Union([
      Type.Object({ type: Type.Literal('text'), text }),
      Type.Object({
        type: Type.Literal('image_url'),
        image_url: Type.Object({ url: InlineImage }),
      }),
    ]),
  ),
]);
const Calls = Type.Array(
  Type.Object({
    id: text,
    type: optional(Type.Literal('function')),
    function: Type.Object({ name: text, arguments: text }),
  }),
  { maxItems: MAX_TOOLS },
);

/** The messages of `POST /v1/chat/completions`. */
export const ChatMessages = Type.Array(
  Type.Union([
    Type.Object({
      role: Type.Enum(['system', 'developer', 'user', 'function']),
      content: ChatContent,
    }),
    Type.Object({
      role: Type.Literal('assistant'),
      content: optional(orNull(ChatContent)),
      tool_calls: optional(orNull(Calls)),
    }),
    Type.Object({
      role: Type.Literal('tool'),
      content: ChatContent,
      tool_call_id: Type.String({ description: 'The id of the call.' }),
    }),
  ]),
  { minItems: 1 },
);

const TokenIds = Type.Array(Type.Integer({ minimum: 0 }), { minItems: 1 });
/** The prompts of `POST /v1/completions`. */
export const Prompts = Type.Union(
  [
    Type.Array(Type.String({ description: 'One prompt.' }), { minItems: 1, maxItems: MAX_CHOICES }),
    text,
    TokenIds,
    Type.Array(TokenIds, { minItems: 1, maxItems: MAX_CHOICES }),
  ],
  {
    description:
      'A text, or a list of texts: each gets choices of its own, in this order. In place of a text, the ids of its tokens, without special tokens, if the network has the tokenizer of the model; not in blind mode and in batches.',
  },
);

const ItemContent = Type.Union([
  text,
  Type.Array(
    Type.Union([
      Type.Object({ type: Type.Enum(['input_text', 'output_text', 'text']), text }),
      Type.Object({ type: Type.Literal('refusal'), refusal: text }),
      Type.Object({ type: Type.Literal('input_image'), image_url: InlineImage }),
    ]),
  ),
]);
const ReasoningParts = Type.Array(Type.Object({ text: optional(text) }));
const Item = Type.Union([
  Type.Object({
    type: optional(Type.Literal('message')),
    role: Type.Enum(['system', 'developer', 'user', 'assistant']),
    content: ItemContent,
  }),
  Type.Object({
    type: Type.Literal('function_call'),
    call_id: text,
    name: text,
    arguments: text,
  }),
  Type.Object({
    type: Type.Literal('function_call_output'),
    call_id: Type.String({ description: 'The id of a call before it.' }),
    output: ItemContent,
  }),
  Type.Object({
    type: Type.Literal('reasoning'),
    summary: optional(orNull(ReasoningParts)),
    content: optional(orNull(ReasoningParts)),
  }),
  Type.Object(
    { type: Type.Literal('compaction'), encrypted_content: text },
    { description: 'The output of `/v1/responses/compact`.' },
  ),
]);

/** The input of `POST /v1/responses`. */
export const ResponsesInput = Type.Union([text, Type.Array(Item, { minItems: 1 })], {
  description: 'A text, or a list of items.',
});

const { name: ToolName, parameters: ToolParameters } = Tool.properties.function.properties;
const FunctionTool = Type.Object({
  type: Type.Literal('function'),
  name: ToolName,
  parameters: ToolParameters,
  description: optional(orNull(text)),
  strict: optional(orNull(Type.Boolean())),
});
export const ResponsesTools = Type.Array(
  Type.Union([
    FunctionTool,
    Type.Object(
      {
        type: Type.Literal('namespace'),
        name: text,
        description: optional(orNull(text)),
        tools: Type.Array(FunctionTool),
      },
      { description: 'A group of functions.' },
    ),
    Type.Object(
      {
        type: Type.Enum(['web_search', 'web_search_2025_08_26']),
        external_web_access: Type.Literal(false),
      },
      { description: 'Accepted without effect.', additionalProperties: false },
    ),
  ]),
  { maxItems: MAX_TOOLS },
);
export const ResponsesToolChoice = Type.Union([
  Type.Enum(['none', 'auto', 'required']),
  Type.Object({ type: Type.Literal('function'), name: text }),
]);
export const ResponsesFormat = Type.Union([
  Type.Object({ type: Type.Enum(['text', 'json_object']) }),
  Type.Object({
    type: Type.Literal('json_schema'),
    name: optional(text),
    schema: optional(orNull(Type.Object({}, { description: 'A JSON schema.' }))),
    strict: optional(orNull(Type.Boolean())),
  }),
]);
