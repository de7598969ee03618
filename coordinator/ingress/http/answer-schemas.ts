import { type TSchema, Type } from '#bus-schemas/type.ts';
import { optional, orNull } from './api.ts';

/** Documents the answers and the events of streams of the routes that run a model. */

export interface AnswerSchemas {
  readonly whole: TSchema;
  /** One event of a stream, or one line; absent for routes without streams. */
  readonly part?: TSchema;
}

const text = Type.String();
const count = Type.Integer();
const list = Type.Array;

/** The cost in the usage of an answer, in US dollars. */
const costOf = (prompt: string, answer: string) => ({
  cost: optional(
    Type.Number({
      description:
        'US dollars: the amount that is charged. It is 0 in the ledger if the signed receipt of the machine never arrives.',
    }),
  ),
  is_byok: optional(Type.Boolean()),
  cost_details: optional(
    Type.Object({
      upstream_inference_cost: Type.Number(),
      [`upstream_inference_${prompt}_cost`]: Type.Number(),
      [`upstream_inference_${answer}_cost`]: Type.Number(),
    }),
  ),
});
const Usage = Type.Object({
  prompt_tokens: count,
  completion_tokens: count,
  total_tokens: count,
  prompt_tokens_details: Type.Object({ cached_tokens: count }),
  completion_tokens_details: Type.Object({ reasoning_tokens: count }),
  ...costOf('prompt', 'completions'),
});
/** Always null; a type that is only null breaks generators of clients. */
const Refusal = orNull(text);
const token = { token: text, logprob: Type.Number(), bytes: list(count) };
const Logprobs = Type.Object({
  content: list(Type.Object({ ...token, top_logprobs: list(Type.Object(token)) })),
  refusal: Refusal,
});
const FinishReason = Type.Enum(['stop', 'length', 'tool_calls', 'error'], {
  description: '`error` only for a failed choice of several.',
});
const ChoiceError = optional(
  Type.Object({ message: text, code: text, type: text, param: orNull(text) }),
);
const Call = Type.Object({
  id: text,
  type: Type.Literal('function'),
  function: Type.Object({ name: text, arguments: text }),
});
const CallPart = Type.Object({
  index: count,
  id: optional(text),
  type: optional(Type.Literal('function')),
  function: Type.Object({ name: optional(text), arguments: text }),
});
const Completed = { id: text, created: count, model: text };

const chat: AnswerSchemas = {
  whole: Type.Object({
    ...Completed,
    object: Type.Literal('chat.completion'),
    choices: list(
      Type.Object({
        index: count,
        message: Type.Object({
          role: Type.Literal('assistant'),
          content: orNull(text),
          refusal: Refusal,
          reasoning_content: optional(text),
          tool_calls: optional(list(Call)),
        }),
        logprobs: orNull(Logprobs),
        finish_reason: FinishReason,
        error: ChoiceError,
      }),
    ),
    usage: Usage,
  }),
  part: Type.Object({
    ...Completed,
    object: Type.Literal('chat.completion.chunk'),
    choices: list(
      Type.Object({
        index: count,
        delta: Type.Object({
          role: optional(Type.Literal('assistant')),
          content: optional(text),
          reasoning_content: optional(text),
          tool_calls: optional(list(CallPart)),
        }),
        logprobs: optional(Logprobs),
        finish_reason: orNull(FinishReason),
        error: ChoiceError,
      }),
    ),
    usage: optional(Usage),
  }),
};

const textCompletion = Type.Object({
  ...Completed,
  object: Type.Literal('text_completion'),
  choices: list(
    Type.Object({
      text,
      index: count,
      logprobs: orNull(
        Type.Object({
          tokens: list(text),
          token_logprobs: list(Type.Number()),
          top_logprobs: list(Type.Record(text, Type.Number())),
        }),
      ),
      finish_reason: orNull(FinishReason),
      error: ChoiceError,
    }),
  ),
  usage: optional(Usage),
});

const ResponseUsage = Type.Object({
  input_tokens: count,
  input_tokens_details: Type.Object({ cached_tokens: count }),
  output_tokens: count,
  output_tokens_details: Type.Object({ reasoning_tokens: count }),
  total_tokens: count,
  ...costOf('input', 'output'),
});
const OutputItem = Type.Union([
  Type.Object({
    id: text,
    type: Type.Literal('message'),
    status: text,
    role: Type.Literal('assistant'),
    content: list(
      Type.Object({
        type: Type.Literal('output_text'),
        text,
        annotations: list(Type.Unknown()),
        logprobs: list(Type.Unknown()),
      }),
    ),
  }),
  Type.Object({
    id: text,
    type: Type.Literal('reasoning'),
    summary: list(Type.Object({ type: Type.Literal('summary_text'), text })),
  }),
  Type.Object({
    id: text,
    type: Type.Literal('function_call'),
    status: text,
    call_id: text,
    namespace: Type.Optional(text),
    name: text,
    arguments: text,
  }),
]);
const Response = Type.Object({
  id: text,
  object: Type.Literal('response'),
  created_at: count,
  completed_at: orNull(count),
  status: Type.Enum(['in_progress', 'completed', 'incomplete', 'failed']),
  error: orNull(Type.Object({ code: text, message: text })),
  incomplete_details: orNull(Type.Object({ reason: text })),
  model: text,
  output: list(OutputItem),
  usage: orNull(ResponseUsage),
});

const MessageUsage = Type.Object({
  input_tokens: count,
  output_tokens: count,
  cache_creation_input_tokens: optional(count),
  cache_read_input_tokens: optional(count),
});
const Block = Type.Union([
  Type.Object({ type: Type.Literal('text'), text }),
  Type.Object({ type: Type.Literal('thinking'), thinking: text, signature: text }),
  Type.Object({ type: Type.Literal('tool_use'), id: text, name: text, input: Type.Unknown() }),
]);
const Message = Type.Object({
  id: text,
  type: Type.Literal('message'),
  role: Type.Literal('assistant'),
  model: text,
  content: list(Block),
  stop_reason: orNull(Type.Enum(['end_turn', 'max_tokens', 'tool_use', 'stop_sequence'])),
  stop_sequence: orNull(text),
  usage: MessageUsage,
});
const MessageEvent = Type.Union([
  Type.Object({ type: Type.Literal('message_start'), message: Message }),
  Type.Object({
    type: Type.Literal('content_block_start'),
    index: count,
    content_block: Block,
  }),
  Type.Object({
    type: Type.Literal('content_block_delta'),
    index: count,
    delta: Type.Union([
      Type.Object({ type: Type.Literal('text_delta'), text }),
      Type.Object({ type: Type.Literal('thinking_delta'), thinking: text }),
      Type.Object({ type: Type.Literal('signature_delta'), signature: text }),
      Type.Object({ type: Type.Literal('input_json_delta'), partial_json: text }),
    ]),
  }),
  Type.Object({ type: Type.Literal('content_block_stop'), index: count }),
  Type.Object({
    type: Type.Literal('message_delta'),
    delta: Type.Object({ stop_reason: text, stop_sequence: orNull(text) }),
    usage: MessageUsage,
  }),
  Type.Object({ type: Type.Literal('message_stop') }),
]);

const ollamaEnd = {
  model: text,
  created_at: text,
  done: Type.Boolean(),
  done_reason: optional(text),
  total_duration: optional(count),
  prompt_eval_count: optional(count),
  eval_count: optional(count),
};
const OllamaChat = Type.Object({
  ...ollamaEnd,
  message: Type.Object({
    role: Type.Literal('assistant'),
    content: text,
    thinking: optional(text),
    tool_calls: optional(
      list(Type.Object({ function: Type.Object({ name: text, arguments: Type.Unknown() }) })),
    ),
  }),
});
const OllamaGenerate = Type.Object({ ...ollamaEnd, response: text, thinking: optional(text) });

/** The answers of each route, by its path. */
export const answerSchemas: Readonly<Record<string, AnswerSchemas>> = {
  '/v1/chat/completions': chat,
  '/v1/completions': { whole: textCompletion, part: textCompletion },
  '/v1/responses': {
    whole: Response,
    part: Type.Object({ type: text, sequence_number: count, response: optional(Response) }),
  },
  '/v1/responses/compact': {
    whole: Type.Object({
      id: text,
      object: Type.Literal('response.compaction'),
      created_at: count,
      output: list(
        Type.Object({ id: text, type: Type.Literal('compaction'), encrypted_content: text }),
      ),
      usage: ResponseUsage,
    }),
  },
  '/v1/messages': { whole: Message, part: MessageEvent },
  '/api/chat': { whole: OllamaChat, part: OllamaChat },
  '/api/generate': { whole: OllamaGenerate, part: OllamaGenerate },
};
