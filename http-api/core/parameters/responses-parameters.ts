import { Type } from '#bus-schemas/type.ts';
import { chatFields } from '../chat-schema.ts';
import {
  ResponsesFormat,
  ResponsesInput,
  ResponsesToolChoice,
  ResponsesTools,
} from './conversation-schemas.ts';
import {
  ignored,
  type ParameterTable,
  supported,
  supportedFields,
  supportedTypes,
  unsupported,
} from './parameter.ts';
import {
  NEVER_SHORTENED,
  openAiHints,
  openRouter,
  sampling,
  streamOptions,
} from './shared-parameters.ts';

const optional = Type.Optional;
const any = Type.Unknown();
const NO_SEARCH = 'There is no web search here.';
const NOT_HOSTED = 'Hosted tools do not exist here.';
const AS_FUNCTION = 'Offer it as a function.';

/**
 * Types of tools. A search without access to the web reads stored pages only. Here are none, so it is
 * left out; Codex offers it by default.
 */
const toolTypes: ParameterTable = {
  function: supported(any),
  namespace: supported(any),
  web_search: unsupported(NO_SEARCH, { external_web_access: false }),
  web_search_2025_08_26: unsupported(NO_SEARCH, { external_web_access: false }),
  web_search_preview: unsupported(NO_SEARCH),
  web_search_preview_2025_03_11: unsupported(NO_SEARCH),
  custom: unsupported(AS_FUNCTION),
  local_shell: unsupported(AS_FUNCTION),
  shell: unsupported(AS_FUNCTION),
  apply_patch: unsupported(AS_FUNCTION),
  mcp: unsupported('The network connects to no MCP servers. Offer their tools as functions.'),
  tool_search: unsupported('Offer the tools themselves.'),
  file_search: unsupported(NOT_HOSTED),
  code_interpreter: unsupported(NOT_HOSTED),
  image_generation: unsupported(NOT_HOSTED),
  computer: unsupported(NOT_HOSTED),
  computer_use_preview: unsupported(NOT_HOSTED),
  programmatic_tool_calling: unsupported(NOT_HOSTED),
};

/** `POST /v1/responses` of OpenAI, OpenResponses and OpenRouter, and its routes for counts. */
export const responsesParameters: ParameterTable = {
  ...supportedFields({
    model: chatFields.model,
    input: ResponsesInput,
    instructions: optional(Type.String()),
    stream: chatFields.stream,
    max_output_tokens: chatFields.max_output_tokens,
    max_tokens: chatFields.max_tokens,
    stop: chatFields.stop,
    tool_choice: optional(ResponsesToolChoice),
    parallel_tool_calls: chatFields.parallel_tool_calls,
    top_logprobs: chatFields.top_logprobs,
    metadata: optional(Type.Unknown({ description: 'Repeated in the answer.' })),
    store: optional(
      Type.Boolean({
        description:
          'Stores the response for 30 days, encrypted under the API key. The default is false. The four fields about stored responses are refused in blind mode, by compactions and by WebSockets.',
      }),
    ),
    previous_response_id: optional(
      Type.String({ description: 'A stored response that this one continues.' }),
    ),
    conversation: optional(
      Type.Union([Type.String(), Type.Object({ id: Type.String() })], {
        description: 'A conversation that this response continues: its id, or an object with it.',
      }),
    ),
    background: optional(
      Type.Boolean({
        description: 'The response is stored and goes on without a connection: poll its end.',
      }),
    ),
    include: optional(
      Type.Array(Type.String(), {
        description: 'Parts of hosted tools are never included, because there are no such tools.',
      }),
    ),
  }),
  ...sampling,
  tools: supportedTypes(optional(ResponsesTools), toolTypes),
  text: supported(optional(any), {
    format: supported(optional(ResponsesFormat)),
    verbosity: ignored('The models have no such setting.'),
  }),
  reasoning: supported(optional(any), {
    effort: supported(chatFields.reasoning_effort),
    summary: ignored('Answers contain the whole reasoning.'),
    generate_summary: ignored('Answers contain the whole reasoning.'),
    mode: ignored('The models have no such setting.'),
    context: ignored("The model's template decides which turns keep their reasoning."),
  }),
  stream_options: streamOptions,
  ...openAiHints,
  ...openRouter,
  prompt: unsupported('No prompts are stored here.'),
  background_options: unsupported(
    'Only batches are cheaper for waiting: use POST /v1/batches.',
    { completion_window: 'soonest' },
    {},
  ),
  truncation: unsupported(NEVER_SHORTENED, 'disabled'),
  context_management: ignored(NEVER_SHORTENED),
  max_tool_calls: ignored('It limits hosted tools, and there are none.'),
  modalities: unsupported('Answers are text.', ['text'], []),
  personality: unsupported('Write it into the instructions.'),
  image: unsupported('Answers have no images.'),
  access_programs: unsupported('The network has no such programs.'),
  client_metadata: ignored('Codex describes itself with it.'),
};
