import type { Delta, TokenLogprob } from '#bus-schemas';
import type { ApiError } from '../../errors.ts';
import type { AttemptEnd } from '../job-state.ts';
import type { JsonObject } from '../json.ts';

/**
 * One way to ask for an answer and to read it: OpenAI's chat, Responses and completions,
 * Anthropic's Messages. Each lowers its
 * request to the chat contract and raises the pieces of an answer to what its clients read. Nothing
 * else differs between them.
 */
export interface Surface {
  readonly path: string;
  /** A new body; throws the ApiError of what cannot be lowered. */
  lower(body: JsonObject): JsonObject;
  stream(head: AnswerHead): StreamWriter;
  whole(head: AnswerHead, answer: WholeAnswer): object;
  /** The envelope of an error that comes instead of an answer. */
  error(error: ApiError, requestId: string): object;
}

/** What is known of an answer before its first piece. */
export interface AnswerHead {
  readonly job: string;
  /** As the caller wrote it, alias and all. */
  readonly model: string;
  readonly createdSeconds: number;
  readonly includeUsage: boolean;
  readonly maxOutputTokens: number;
  /** As it came, before it was lowered. */
  readonly request: JsonObject;
}

/**
 * The text of a stream, piece by piece: whole server-sent events each time. Nothing may follow
 * `finish` and `cut`.
 */
export interface StreamWriter {
  delta(delta: Delta): string;
  finish(end: AttemptEnd): string;
  cut(error: ApiError): string;
}

interface ToolCall {
  readonly id: string;
  readonly name: string;
  readonly arguments: string;
}

/** All pieces of an answer put together. */
export interface WholeAnswer {
  readonly text: string;
  readonly reasoning: string;
  readonly calls: readonly ToolCall[];
  readonly logprobs: readonly TokenLogprob[] | undefined;
  readonly end: AttemptEnd;
}

/** Puts the pieces of an answer together as they come. */
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

  whole(): Omit<WholeAnswer, 'end'> {
    return {
      text: this.#text.join(''),
      reasoning: this.#reasoning.join(''),
      calls: this.#calls,
      logprobs: this.#logprobs.length === 0 ? undefined : this.#logprobs,
    };
  }
}

/** One server-sent event without a name, as OpenAI sends them. */
export const sseData = (data: object): string => `data: ${JSON.stringify(data)}\n\n`;
/** One with a name, which stands in its data too. */
export const sseEvent = (data: { type: string }): string =>
  `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
