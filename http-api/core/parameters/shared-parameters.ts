import { MAX_CHOICES } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import { chatFields } from '../chat-schema.ts';
import { MAX_MODELS } from '../fallback-models.ts';
import { providerWishes } from '../provider-schema.ts';
import {
  ignored,
  type ParameterTable,
  supported,
  supportedFields,
  unsupported,
} from './parameter.ts';

/** Parameters that several surfaces have. */

const optional = Type.Optional;

export const SAME_PRIORITY = ignored('All requests have the same priority.');
const CACHED_BY_CONTENT = ignored('Machines find cached prompts by their content.');
const BY_KEY = ignored('Requests are attributed to the API key.');
const NO_TRACES = ignored('The network does not forward traces of its callers.');
export const NEVER_SHORTENED =
  'A conversation is never shortened here; one that is too long fails.';

/** Fields for the choice of the next token. OpenAI's newer APIs have only a part of them. */
const { seed, top_k, min_p, repetition_penalty, frequency_penalty, presence_penalty, logit_bias } =
  chatFields;
export const sampling: ParameterTable = supportedFields({
  temperature: chatFields.temperature,
  top_p: chatFields.top_p,
  seed,
  top_k,
  min_p,
  repetition_penalty,
  frequency_penalty,
  presence_penalty,
  logit_bias,
});

export const choicesField = optional(
  Type.Integer({
    minimum: 1,
    maximum: MAX_CHOICES,
    description:
      'Number of choices. Each is a job with its own charge, also for the prompt. Only 1 with an Idempotency-Key, X-Dinf-Receipt or fallback models, and in blind mode.',
  }),
);

export const streamOptions = supported(optional(chatFields.stream_options), {
  include_usage: supported(optional(Type.Boolean())),
  include_obfuscation: ignored('Chunks are sent without padding.'),
});

/** Hints for OpenAI's caches and records. */
export const openAiHints: ParameterTable = {
  service_tier: SAME_PRIORITY,
  user: BY_KEY,
  safety_identifier: BY_KEY,
  prompt_cache_key: CACHED_BY_CONTENT,
  prompt_cache_retention: CACHED_BY_CONTENT,
  prompt_cache_options: CACHED_BY_CONTENT,
  moderation: unsupported('Answers are not moderated.'),
};

/** Fields that OpenRouter adds to the requests of all its APIs. */
export const openRouter: ParameterTable = {
  provider: supported(optional(providerWishes), {
    ...supportedFields(providerWishes.properties),
    data_collection: unsupported('Choose the guarantees of machines with trust_level.', 'allow'),
    zdr: unsupported('Choose the guarantees of machines with trust_level.', false),
    enforce_distillable_text: unsupported('The catalog has no such licences.', false),
  }),
  models: supported(
    optional(
      Type.Array(Type.String(), {
        maxItems: MAX_MODELS,
        description:
          'Models that are tried in this order, after `model`, while nothing has been answered. Not with an Idempotency-Key, not on a WebSocket, and not in blind mode.',
      }),
    ),
  ),
  route: unsupported('Models are tried in their order.', 'fallback'),
  transforms: unsupported(NEVER_SHORTENED, []),
  plugins: unsupported('The network runs no plugins.', []),
  cache_control: CACHED_BY_CONTENT,
  session_id: NO_TRACES,
  trace: NO_TRACES,
  debug: unsupported('The requests that machines receive are not shown.', {}),
  image_config: ignored('It describes images in answers, and answers have none.'),
  stop_server_tools_when: ignored('It limits hosted tools, and there are none.'),
};
