import type { Delta } from '#bus-schemas';
import type { ApiError } from '../../errors.ts';
import type { AttemptEnd } from '../attempt-end.ts';
import type { JsonObject } from '../json.ts';
import { ollamaChatParameters, ollamaGenerateParameters } from '../parameters/ollama-parameters.ts';
import { lowerChat, lowerGenerate } from './ollama-request.ts';
import {
  type AnswerContent,
  type AnswerHead,
  Gathering,
  type StreamWriter,
  type Surface,
} from './surface.ts';

/**
 * Ollama's API. Its streams are lines of JSON, each a part of the answer, and the last with `done`
 * and the counts. Tool calls are sent whole.
 */

/** Puts text, reasoning and calls into the fields of the route. */
type Shape = (parts: {
  readonly text: string;
  readonly thinking: string;
  readonly calls: readonly object[];
}) => JsonObject;

const chatShape: Shape = ({ text, thinking, calls }) => ({
  message: {
    role: 'assistant',
    content: text,
    ...(thinking !== '' && { thinking }),
    ...(calls.length > 0 && { tool_calls: calls }),
  },
});
const generateShape: Shape = ({ text, thinking }) => ({
  response: text,
  ...(thinking !== '' && { thinking }),
});

const surfaceOf = (
  { path, parameters, lower }: Pick<Surface, 'path' | 'parameters' | 'lower'>,
  shape: Shape,
): Surface => ({
  path,
  parameters,
  streamType: 'application/x-ndjson',
  readsAnyContentType: true,
  lower,
  stream: (head) => new OllamaStream(head, shape),
  whole: (head, { text, reasoning, calls, end }) => ({
    ...headOf(head),
    ...shape({ text, thinking: reasoning, calls: calls.map(callOf) }),
    ...endOf(head, end),
  }),
  error: ({ message }) => ({ error: message }),
});

export const ollamaChat = surfaceOf(
  { path: '/api/chat', parameters: ollamaChatParameters, lower: lowerChat },
  chatShape,
);
export const ollamaGenerate = surfaceOf(
  { path: '/api/generate', parameters: ollamaGenerateParameters, lower: lowerGenerate },
  generateShape,
);

const SECOND_NS = 1_000_000_000;

const headOf = ({ model, createdSeconds }: AnswerHead) => ({
  model,
  created_at: new Date(createdSeconds * 1_000).toISOString(),
});

/** Durations are in nanoseconds; only the total is known here. */
const endOf = (
  { createdSeconds, nowSeconds }: AnswerHead,
  { finish, usage: { promptTokens, completionTokens } }: AttemptEnd,
) => ({
  done: true,
  done_reason: finish === 'length' ? 'length' : 'stop',
  total_duration: (nowSeconds() - createdSeconds) * SECOND_NS,
  prompt_eval_count: promptTokens,
  eval_count: completionTokens,
});

function callOf({ name, arguments: text }: AnswerContent['calls'][number]): object {
  return { function: { name, arguments: parsed(text) } };
}

/** The arguments of a call. If they do not parse because the model stopped early, they are empty. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text === '' ? '{}' : text);
  } catch {
    return {};
  }
}

const line = (fields: object): string => `${JSON.stringify(fields)}\n`;

class OllamaStream implements StreamWriter {
  readonly #head: AnswerHead;
  readonly #shape: Shape;
  /** The call that is being received. */
  #call: Gathering | undefined;

  constructor(head: AnswerHead, shape: Shape) {
    this.#head = head;
    this.#shape = shape;
  }

  delta(delta: Delta): string {
    if (delta.k === 'tool') {
      const before = delta.id === undefined ? '' : this.#flushCall();
      this.#call ??= new Gathering();
      this.#call.add(delta);
      return before;
    }
    const text = delta.k === 'text' ? delta.text : '';
    const thinking = delta.k === 'reasoning' ? delta.text : '';
    return this.#flushCall() + this.#part({ text, thinking, calls: [] });
  }

  finish(end: AttemptEnd): string {
    const last = this.#shape({ text: '', thinking: '', calls: [] });
    return this.#flushCall() + line({ ...headOf(this.#head), ...last, ...endOf(this.#head, end) });
  }

  cut({ message }: ApiError): string {
    return line({ error: message });
  }

  #flushCall(): string {
    const calls = this.#call?.whole().calls ?? [];
    this.#call = undefined;
    return calls.length === 0
      ? ''
      : this.#part({ text: '', thinking: '', calls: calls.map(callOf) });
  }

  #part(parts: Parameters<Shape>[0]): string {
    return line({ ...headOf(this.#head), ...this.#shape(parts), done: false });
  }
}
