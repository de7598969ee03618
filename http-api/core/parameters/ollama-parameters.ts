import { Type } from '#bus-schemas/type.ts';
import { chatFields, EFFORTS, MAX_TOOLS } from '../chat-schema.ts';
import {
  ignored,
  type ParameterTable,
  supported,
  supportedFields,
  unsupported,
} from './parameter.ts';
import { NEVER_SHORTENED, openRouter } from './shared-parameters.ts';

const optional = Type.Optional;
const any = Type.Unknown();
const OF_THE_MACHINE = ignored('Machines decide how they run a model.');
const NO_SAMPLER = 'This sampler is not available.';

/** The first characters tell the format: PNG, JPEG, GIF or WebP. */
const Images = optional(
  Type.Array(
    Type.String({
      pattern: '^(?:iVBORw0KGgo|/9j/|R0lGOD|UklGR)[A-Za-z0-9+/]*={0,2}$',
      description: 'The base64 of a PNG, JPEG, GIF or WebP.',
    }),
  ),
);
const Messages = Type.Array(
  Type.Object({
    role: Type.Enum(['system', 'user', 'assistant', 'tool']),
    content: optional(Type.String()),
    images: Images,
    thinking: optional(Type.String()),
    tool_calls: optional(
      Type.Array(
        Type.Object({
          function: Type.Object({ name: Type.String(), arguments: optional(Type.Object({})) }),
        }),
        { maxItems: MAX_TOOLS },
      ),
    ),
    tool_name: optional(Type.String()),
  }),
  { minItems: 1 },
);

const options: ParameterTable = {
  ...supportedFields({
    num_predict: optional(
      Type.Union([Type.Integer({ minimum: 1 }), Type.Literal(-1)], {
        description: 'Most tokens of the answer; -1: no limit.',
      }),
    ),
    temperature: chatFields.temperature,
    top_p: chatFields.top_p,
    top_k: chatFields.top_k,
    min_p: chatFields.min_p,
    seed: chatFields.seed,
    stop: chatFields.stop,
    repeat_penalty: chatFields.repetition_penalty,
    presence_penalty: chatFields.presence_penalty,
    frequency_penalty: chatFields.frequency_penalty,
  }),
  ...Object.fromEntries(
    [
      'num_ctx',
      'num_keep',
      'num_batch',
      'num_gpu',
      'num_thread',
      'main_gpu',
      'low_vram',
      'f16_kv',
      'use_mmap',
      'use_mlock',
      'numa',
    ].map((name) => [name, OF_THE_MACHINE]),
  ),
  repeat_last_n: ignored('The penalty counts the whole answer.'),
  typical_p: unsupported(NO_SAMPLER, 1),
  tfs_z: unsupported(NO_SAMPLER, 1),
  mirostat: unsupported(NO_SAMPLER, 0),
  mirostat_tau: ignored('It belongs to mirostat.'),
  mirostat_eta: ignored('It belongs to mirostat.'),
  penalize_newline: unsupported(NO_SAMPLER, true),
};

/** Fields that both routes of Ollama have. */
const common: ParameterTable = {
  model: supported(chatFields.model),
  stream: supported(
    optional(Type.Boolean({ description: 'Absent means true. A stream is lines of JSON.' })),
  ),
  format: supported(
    optional(
      Type.Union([Type.Enum(['json', '']), Type.Object({})], {
        description: '"json", or a JSON schema.',
      }),
    ),
  ),
  options: supported(optional(any), options),
  think: supported(optional(Type.Union([Type.Boolean(), Type.Enum(EFFORTS)]))),
  provider: openRouter['provider'] ?? supported(any),
  keep_alive: OF_THE_MACHINE,
  truncate: ignored(NEVER_SHORTENED),
  shift: ignored(NEVER_SHORTENED),
  logprobs: unsupported('Use /v1/chat/completions.', false),
  top_logprobs: unsupported('Use /v1/chat/completions.', 0),
};

/** `POST /api/chat` of Ollama. */
export const ollamaChatParameters: ParameterTable = {
  ...common,
  messages: supported(Messages),
  tools: supported(chatFields.tools),
};

/** `POST /api/generate` of Ollama. */
export const ollamaGenerateParameters: ParameterTable = {
  ...common,
  prompt: supported(Type.String({ minLength: 1 })),
  system: supported(optional(Type.String())),
  images: supported(Images),
  suffix: unsupported('Models of this network continue a text and cannot fill a gap.', ''),
  template: unsupported('The template of the model is used.', ''),
  context: unsupported('Send the conversation to /api/chat.', []),
  raw: unsupported('The template of the model is used.', false),
};
