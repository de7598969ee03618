import { Type } from 'typebox';
import { chatFields } from '../chat-schema.ts';
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

const options: ParameterTable = {
  ...supportedFields({
    num_predict: optional(
      Type.Integer({ description: 'Most tokens of the answer; -1: no limit.' }),
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
  format: supported(optional(Type.Unknown({ description: '"json", or a JSON schema.' }))),
  options: supported(optional(any), options),
  think: supported(optional(any)),
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
  messages: supported(Type.Array(Type.Object({ role: Type.String(), content: any }))),
  tools: supported(optional(Type.Array(any))),
};

/** `POST /api/generate` of Ollama. */
export const ollamaGenerateParameters: ParameterTable = {
  ...common,
  prompt: supported(Type.String()),
  system: supported(optional(Type.String())),
  images: supported(optional(Type.Array(Type.String()))),
  suffix: unsupported('Models of this network continue a text and cannot fill a gap.', ''),
  template: unsupported('The template of the model is used.', ''),
  context: unsupported('Send the conversation to /api/chat.', []),
  raw: unsupported('The template of the model is used.', false),
};
