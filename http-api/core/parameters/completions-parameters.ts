import { Type } from '#bus-schemas/type.ts';
import { chatFields } from '../chat-schema.ts';
import { Prompts } from './conversation-schemas.ts';
import { type ParameterTable, supportedFields, unsupported } from './parameter.ts';
import {
  choicesField,
  openAiHints,
  openRouter,
  sampling,
  streamOptions,
} from './shared-parameters.ts';

const optional = Type.Optional;

/** `POST /v1/completions` of OpenAI. */
export const completionsParameters: ParameterTable = {
  ...supportedFields({
    model: chatFields.model,
    prompt: Prompts,
    stream: chatFields.stream,
    max_tokens: chatFields.max_tokens,
    stop: chatFields.stop,
    n: choicesField,
    logprobs: optional(Type.Integer({ minimum: 0, maximum: 5 })),
    response_format: chatFields.response_format,
    reasoning_effort: chatFields.reasoning_effort,
  }),
  ...sampling,
  stream_options: streamOptions,
  ...openAiHints,
  ...openRouter,
  suffix: unsupported('Models of this network continue a text and cannot fill a gap.', ''),
  echo: unsupported('Prepend the prompt to the answer yourself.', false),
  best_of: unsupported('Each request has one answer.', 1),
  tools: unsupported('Use /v1/chat/completions.', []),
  messages: unsupported('Use /v1/chat/completions.', []),
};
