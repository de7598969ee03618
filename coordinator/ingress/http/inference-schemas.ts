import { Type } from 'typebox';
import { QUANTIZATIONS, TRUST_LEVELS } from '#bus-schemas';
import { chatFields } from '#http-api/core/chat-schema.ts';
import { SORTS } from '#http-api/core/provider-preferences.ts';

/**
 * Schemas that document the four surfaces. That of chat completions is the one that checks its
 * requests; the rules of the others, which are lowered to it, are in http-api/core/surfaces/.
 */

const optional = Type.Optional;
const any = Type.Unknown();
const Messages = Type.Array(Type.Object({ role: Type.String(), content: any }));
export const providerWishes = Type.Object(
  {
    only: optional(
      Type.Array(Type.String(), {
        description: 'Ids of the only providers that may serve the request.',
      }),
    ),
    ignore: optional(
      Type.Array(Type.String(), {
        description: 'Ids of providers that must not serve the request.',
      }),
    ),
    order: optional(
      Type.Array(Type.String(), {
        description: 'Ids of providers that are tried first, in this order.',
      }),
    ),
    allow_fallbacks: optional(
      Type.Boolean({
        description: 'Together with `order`: false lets only those providers serve the request.',
      }),
    ),
    sort: optional(
      Type.Enum(SORTS, { description: 'The property by which providers are chosen.' }),
    ),
    preferred_min_throughput: optional(
      Type.Number({
        description: 'Tokens per second; slower providers serve only if there is no other.',
      }),
    ),
    preferred_max_latency: optional(
      Type.Number({
        description:
          'Seconds to the first content; slower providers serve only if there is no other.',
      }),
    ),
    max_price: optional(
      Type.Object(
        { prompt: optional(Type.Number()), completion: optional(Type.Number()) },
        {
          description:
            'Highest price in dollars per million tokens: no provider with a higher price serves the request, and no more is charged.',
        },
      ),
    ),
    quantizations: optional(
      Type.Array(Type.Enum(QUANTIZATIONS), {
        description: 'Allowed quantizations of the weights.',
      }),
    ),
    trust_level: optional(
      Type.Enum(TRUST_LEVELS, {
        description: 'Lowest trust level of the machine.',
      }),
    ),
    require_parameters: optional(
      Type.Boolean({
        description:
          'Accepted for compatibility; a machine always supports everything that the request needs.',
      }),
    ),
  },
  { description: 'Which providers may serve the request.' },
);
const provider = optional(providerWishes);
const { model, stream, temperature, top_p } = chatFields;
const shared = {
  model,
  stream,
  temperature,
  top_p,
  tools: optional(Type.Array(any)),
  tool_choice: optional(any),
  provider,
};

/** Fields that both routes of Ollama have. */
const ollama = {
  model: shared.model,
  stream: optional(Type.Boolean({ description: 'Absent means true. A stream is lines of JSON.' })),
  format: optional(Type.Unknown({ description: '"json", or a JSON schema.' })),
  options: optional(any),
  think: optional(any),
};

interface Described {
  readonly summary: string;
  readonly body: ReturnType<typeof Type.Object>;
  readonly example: object;
}

const described: Readonly<Record<string, Described>> = {
  '/v1/chat/completions': {
    summary: "Answer a conversation (OpenAI's chat completions)",
    body: Type.Object({ ...chatFields, provider }),
    example: { model: 'sim', messages: [{ role: 'user', content: 'Hello' }], stream: true },
  },
  '/v1/responses': {
    summary: "Answer a conversation (OpenAI's Responses API)",
    body: Type.Object({
      ...shared,
      input: any,
      instructions: optional(Type.String()),
      max_output_tokens: optional(Type.Integer()),
      text: optional(any),
      reasoning: optional(any),
    }),
    example: { model: 'sim', input: 'Hello', max_output_tokens: 100 },
  },
  '/v1/responses/compact': {
    summary: 'Summarise a conversation into one item that replaces it (OpenAI)',
    body: Type.Object({
      model: shared.model,
      input: any,
      instructions: optional(Type.String()),
    }),
    example: { model: 'sim', input: 'Hello' },
  },
  '/v1/completions': {
    summary: "Complete a prompt (OpenAI's legacy completions)",
    body: Type.Object({
      ...shared,
      prompt: any,
      max_tokens: optional(Type.Integer()),
      stop: optional(any),
      logprobs: optional(Type.Integer({ minimum: 0, maximum: 5 })),
    }),
    example: { model: 'sim', prompt: 'Once upon a time', max_tokens: 50 },
  },
  '/v1/messages': {
    summary: "Answer a conversation (Anthropic's Messages API)",
    body: Type.Object({
      ...shared,
      messages: Messages,
      max_tokens: Type.Integer(),
      system: optional(any),
      stop_sequences: optional(Type.Array(Type.String())),
      thinking: optional(any),
    }),
    example: { model: 'sim', max_tokens: 100, messages: [{ role: 'user', content: 'Hello' }] },
  },
  '/api/chat': {
    summary: 'Answer a conversation (Ollama)',
    body: Type.Object({ ...ollama, messages: Messages, tools: optional(Type.Array(any)) }),
    example: { model: 'sim', messages: [{ role: 'user', content: 'Hello' }] },
  },
  '/api/generate': {
    summary: 'Complete a prompt (Ollama)',
    body: Type.Object({ ...ollama, prompt: Type.String(), system: optional(Type.String()) }),
    example: { model: 'sim', prompt: 'Hello' },
  },
};

export function inferenceSchema(path: string) {
  const { summary, body, example } = described[path] as Described;
  return {
    summary,
    body,
    tags: ['Inference'],
    security: [{ apiKey: [] }],
    'x-example': { body: example },
    description:
      'Returns one JSON object, or server-sent events with `stream: true`. With `Idempotency-Key`, a request that is not streamed can safely be sent twice. ' +
      '`X-Dinf-Route: self` allows only your own machines, `prefer` tries them first. `X-Dinf-Heartbeat: off` omits the comments in a silent stream. `X-Dinf-Receipt: on` adds the signed receipt to a stream, as an event of that name before its end. ' +
      'The header `X-Receipt-Salt` of the answer is the key of the hashes in its receipt. ' +
      'It is stored nowhere else: keep it to verify the answer later.',
  };
}
