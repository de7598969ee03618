import { Type } from '#bus-schemas/type.ts';
import { MAX_TOOLS, STOPS, Stop, Tool } from '../chat-schema.ts';

/**
 * Documents the conversations of Anthropic's requests, as conversation-schemas.ts does for OpenAI's.
 */

const optional = Type.Optional;
const text = Type.String();
const Text = Type.Object({ type: Type.Literal('text'), text });
const Image = Type.Object({
  type: Type.Literal('image'),
  source: Type.Object({
    type: Type.Literal('base64'),
    media_type: Type.Enum(['image/png', 'image/jpeg', 'image/webp', 'image/gif']),
    data: Type.String({ pattern: '^[A-Za-z0-9+/]+={0,2}$' }),
  }),
});
const UserBlock = Type.Union([
  Text,
  Image,
  Type.Object({
    type: Type.Literal('tool_result'),
    tool_use_id: text,
    content: optional(Type.Union([text, Type.Array(Type.Union([Text, Image]))])),
    is_error: optional(Type.Boolean()),
  }),
]);
const AssistantBlock = Type.Union([
  Text,
  Type.Object({ type: Type.Literal('thinking'), thinking: text }),
  Type.Object({ type: Type.Literal('redacted_thinking') }),
  Type.Object({
    type: Type.Literal('tool_use'),
    id: text,
    name: text,
    input: optional(Type.Object({})),
  }),
]);

/** The messages of `POST /v1/messages`. */
export const Messages = Type.Array(
  Type.Union([
    Type.Object({
      role: Type.Literal('user'),
      content: Type.Union([text, Type.Array(UserBlock, { minItems: 1 })]),
    }),
    Type.Object({
      role: Type.Literal('assistant'),
      content: Type.Union([text, Type.Array(AssistantBlock)]),
    }),
    Type.Object({
      role: Type.Literal('system'),
      content: Type.Union([text, Type.Array(Text)]),
      clear_at: optional(Type.Enum(['never', 'next_user_message'])),
    }),
  ]),
  { minItems: 1 },
);
export const System = Type.Union([text, Type.Array(Text)], {
  description: 'A text, or a list of text blocks.',
});
export const MessagesTools = Type.Array(
  Type.Object({
    type: optional(Type.Literal('custom')),
    name: Tool.properties.function.properties.name,
    description: optional(text),
    input_schema: optional(Type.Object({}, { description: 'A JSON schema.' })),
    defer_loading: optional(Type.Boolean()),
  }),
  { maxItems: MAX_TOOLS },
);
export const MessagesToolChoice = Type.Union([
  Type.Object({
    type: Type.Enum(['auto', 'none', 'any']),
    disable_parallel_tool_use: optional(Type.Boolean()),
  }),
  Type.Object({ type: Type.Literal('tool'), name: text }),
]);
export const MessagesFormat = Type.Object({
  type: Type.Literal('json_schema'),
  schema: Type.Object({}, { description: 'A JSON schema.' }),
});
export const StopSequences = Type.Array(Stop, { maxItems: STOPS });
