import type { TObject } from 'typebox';
import { chatParameters } from '#http-api/core/parameters/chat-parameters.ts';
import { completionsParameters } from '#http-api/core/parameters/completions-parameters.ts';
import { messagesParameters } from '#http-api/core/parameters/messages-parameters.ts';
import {
  ollamaChatParameters,
  ollamaGenerateParameters,
} from '#http-api/core/parameters/ollama-parameters.ts';
import { documentedBody } from '#http-api/core/parameters/parameter.ts';
import { responsesParameters } from '#http-api/core/parameters/responses-parameters.ts';

/** Documentation of the routes that run a model. */

interface Described {
  readonly summary: string;
  readonly body: TObject;
  readonly example: object;
}

const described: Readonly<Record<string, Described>> = {
  '/v1/chat/completions': {
    summary: "Answer a conversation (OpenAI's chat completions)",
    body: documentedBody(chatParameters),
    example: { model: 'sim', messages: [{ role: 'user', content: 'Hello' }], stream: true },
  },
  '/v1/responses': {
    summary: "Answer a conversation (OpenAI's Responses API)",
    body: documentedBody(responsesParameters),
    example: { model: 'sim', input: 'Hello', max_output_tokens: 100 },
  },
  '/v1/responses/compact': {
    summary: 'Summarise a conversation into one item that replaces it (OpenAI)',
    body: documentedBody(responsesParameters),
    example: { model: 'sim', input: 'Hello' },
  },
  '/v1/completions': {
    summary: "Complete a prompt (OpenAI's legacy completions)",
    body: documentedBody(completionsParameters),
    example: { model: 'sim', prompt: 'Once upon a time', max_tokens: 50 },
  },
  '/v1/messages': {
    summary: "Answer a conversation (Anthropic's Messages API)",
    body: documentedBody(messagesParameters),
    example: { model: 'sim', max_tokens: 100, messages: [{ role: 'user', content: 'Hello' }] },
  },
  '/api/chat': {
    summary: 'Answer a conversation (Ollama)',
    body: documentedBody(ollamaChatParameters),
    example: { model: 'sim', messages: [{ role: 'user', content: 'Hello' }] },
  },
  '/api/generate': {
    summary: 'Complete a prompt (Ollama)',
    body: documentedBody(ollamaGenerateParameters),
    example: { model: 'sim', prompt: 'Hello' },
  },
};

const EVENTS = 'Returns one JSON object, or server-sent events with `stream: true`.';
const LINES = 'Returns lines of JSON, or one JSON object with `stream: false`.';

export function inferenceSchema(path: string) {
  const { summary, body, example } = described[path] as Described;
  return {
    summary,
    body,
    tags: ['Inference'],
    security: [{ apiKey: [] }],
    'x-example': { body: example },
    description:
      `${path.startsWith('/api/') ? LINES : EVENTS} With \`Idempotency-Key\`, a request that is not streamed can safely be sent twice. ` +
      '[parameters.md](parameters.md) lists all fields. The header `X-Dinf-Ignored` of the answer names the fields without effect. ' +
      '`X-Dinf-Route: self` allows only your own machines, `prefer` tries them first. `X-Dinf-Heartbeat: off` omits the comments in a silent stream. `X-Dinf-Receipt: on` adds the signed receipt to a stream, as an event of that name before its end. ' +
      '`X-Dinf-Routing: on` adds the header `X-Dinf-Routing` to the answer: JSON with the machine, its build, the digest of its weights, its trust level, the number of attempts, the time in the queue, and the terms of the choice. ' +
      'The header `X-Receipt-Salt` of the answer is the key of the hashes in its receipt. ' +
      'It is stored nowhere else: keep it to verify the answer later.',
  };
}
