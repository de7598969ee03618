import { Type } from '#bus-schemas/type.ts';
import { chatFields, EFFORTS } from '../chat-schema.ts';
import { ChatMessages } from './conversation-schemas.ts';
import {
  ignored,
  type ParameterTable,
  supported,
  supportedFields,
  unsupported,
} from './parameter.ts';
import { choicesField, openAiHints, openRouter, streamOptions } from './shared-parameters.ts';

const optional = Type.Optional;
const USE_TOOLS = 'Use tools and tool_choice instead.';
const ONLY_TEXT = 'Answers are text.';

/** `POST /v1/chat/completions` of OpenAI and OpenRouter. */
export const chatParameters: ParameterTable = {
  ...supportedFields({ ...chatFields, messages: ChatMessages }),
  n: supported(choicesField),
  stream_options: streamOptions,
  ...openAiHints,
  ...openRouter,
  // Generators name the type of `effort` after the title; it must differ from `reasoning_effort`.
  reasoning: supported(optional(Type.Object({}, { title: 'ReasoningWishes' })), {
    effort: supported(optional(Type.Enum([...EFFORTS, 'max']))),
    max_tokens: supported(optional(Type.Integer({ minimum: 1 }))),
    exclude: supported(optional(Type.Boolean())),
    enabled: supported(optional(Type.Boolean())),
    summary: ignored('Answers contain the whole reasoning.'),
  }),
  include_reasoning: supported(optional(Type.Boolean())),
  metadata: ignored('It belongs to stored answers, and none is stored.'),
  store: ignored('No answer of this route is stored.'),
  modalities: unsupported(ONLY_TEXT, ['text'], []),
  audio: unsupported(ONLY_TEXT),
  prediction: ignored('It could only make an answer faster.'),
  verbosity: ignored('The models have no such setting.'),
  web_search_options: unsupported('Models have no access to the web.'),
  functions: unsupported(USE_TOOLS, []),
  function_call: unsupported(USE_TOOLS),
  top_a: unsupported('This sampler is not available.', 0),
};
