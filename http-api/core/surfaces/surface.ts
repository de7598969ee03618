import type { Delta, TokenLogprob } from '#bus-schemas';
import type { ApiError } from '../../errors.ts';
import type { AttemptEnd } from '../attempt-end.ts';
import type { JsonObject } from '../json.ts';
import { checkParameters, type ParameterTable } from '../parameters/parameter.ts';
import type { ChoicesSum } from '../sum-of-ends.ts';

/**
 * One API for asking: OpenAI's chat, Responses and completions, Anthropic's Messages, or Ollama's. Each
 * surface lowers its request to the chat contract, and raises the pieces of an answer to the format
 * of its clients. Other code does not depend on the surface.
 */
export interface Surface {
  readonly path: string;
  /** Type of its streams; server-sent events if absent. */
  readonly streamType?: string;
  /** Whether its clients send JSON under any `Content-Type`. */
  readonly readsAnyContentType?: true;
  readonly parameters: ParameterTable;
  /**
   * Returns a new body; throws an ApiError if the request cannot be lowered. The fields of the body
   * are supported ones; `lowerRequest` checks this.
   */
  lower(body: JsonObject): JsonObject;
  stream(head: AnswerHead): StreamWriter;
  whole(head: AnswerHead, answer: AnswerContent): object;
  /** Writes answers with several choices; absent if an answer of the surface is always one. */
  readonly choices?: ChoiceFormat;
  /** The envelope of an error that is sent instead of an answer. */
  error(error: ApiError, requestId: string): object;
}

interface LoweredRequest {
  readonly chat: JsonObject;
  /** Names of the fields of the request that have no effect. */
  readonly ignored: readonly string[];
}

/** Checks which fields a request has, and lowers it to the chat contract. */
export function lowerRequest(
  { parameters, lower }: Pick<Surface, 'parameters' | 'lower'>,
  body: JsonObject,
): LoweredRequest {
  const { fields, ignored } = checkParameters(parameters, body);
  return { chat: lower(fields), ignored };
}

/** The properties of an answer that are known before its first piece. */
export interface AnswerHead {
  readonly job: string;
  /** The name that the caller used, which may be an alias. */
  readonly model: string;
  /** Time of the request, as Unix time in seconds. */
  readonly createdSeconds: number;
  /** The present time, as Unix time in seconds. */
  readonly nowSeconds: () => number;
  readonly includeUsage: boolean;
  readonly maxOutputTokens: number;
  /** Tokens of the prompt: the probable number, and the highest that may be charged. */
  readonly promptTokens: { readonly estimate: number; readonly bound: number };
  /** Index of the choice that is written; absent if the answer is one. */
  readonly choice?: number;
  /** The body of the request before it was lowered. */
  readonly request: JsonObject;
}

/**
 * Writes a stream piece by piece. Each call returns zero or more whole server-sent events. No call
 * may follow `finish` or `cut`.
 */
export interface StreamWriter {
  delta(delta: Delta): string;
  finish(end: AttemptEnd): string;
  cut(error: ApiError): string;
}

/** How a surface writes the choices of an answer that has several. */
export interface ChoiceFormat {
  /** The stream of the choice that the head names. */
  stream(head: AnswerHead): ChoiceWriter;
  choice(head: AnswerHead, content: AnswerContent): object;
  /** A choice that failed, while others did not. */
  failed(error: ApiError, index: number): object;
  whole(head: AnswerHead, choices: readonly object[], sum: ChoicesSum): object;
}

export interface ChoiceWriter extends StreamWriter {
  /** The last event of the choice. */
  last(end: AttemptEnd): string;
  /** The last event of a choice that failed. */
  failed(error: ApiError): string;
  /** The end of the stream, after all choices. */
  close(sum: ChoicesSum): string;
}

interface ToolCall {
  readonly id: string;
  readonly name: string;
  readonly arguments: string;
}

export interface AnswerContent {
  readonly text: string;
  readonly reasoning: string;
  readonly calls: readonly ToolCall[];
  readonly logprobs: readonly TokenLogprob[] | undefined;
  readonly end: AttemptEnd;
}

/** Collects the pieces of an answer. */
export class Gathering {
  #text: string[] = [];
  #reasoning: string[] = [];
  #calls: { id: string; name: string; arguments: string }[] = [];
  readonly #logprobs: TokenLogprob[] = [];

  add(delta: Delta): void {
    switch (delta.k) {
      case 'text':
        this.#text.push(delta.text);
        this.#logprobs.push(...(delta.logprobs ?? []));
        return;
      case 'reasoning':
        this.#reasoning.push(delta.text);
        return;
      case 'tool': {
        if (delta.id !== undefined && delta.name !== undefined)
          this.#calls.push({ id: delta.id, name: delta.name, arguments: '' });
        const call = this.#calls.at(-1);
        if (call !== undefined) call.arguments += delta.text;
        return;
      }
    }
  }

  whole(): Omit<AnswerContent, 'end'> {
    return {
      text: this.#text.join(''),
      reasoning: this.#reasoning.join(''),
      calls: this.#calls,
      logprobs: this.#logprobs.length === 0 ? undefined : this.#logprobs,
    };
  }
}

/** One server-sent event without an event name, as OpenAI sends them. */
export const sseData = (data: object): string => `data: ${JSON.stringify(data)}\n\n`;
/**
 * One server-sent event named by the `type` of its data, as Anthropic and the Responses API send
 * them.
 */
export const sseEvent = (data: { type: string }): string =>
  `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
/** The data of each event in a text that `sseEvent` has made. JSON has no line breaks of its own. */
export const eventData = (events: string): string[] =>
  events
    .split('\n')
    .filter((line) => line.startsWith('data: '))
    .map((line) => line.slice('data: '.length));
