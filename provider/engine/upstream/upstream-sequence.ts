import type { IncomingMessage } from 'node:http';
import type { Delta, Finish, InferenceRequest, Usage } from '#bus-schemas';
import { isObject, type JsonObject } from '../../models/json.ts';
import { RequestRefused, type Sequence, type Sink } from '../engine.ts';
import { ChunkReader } from './chunk-reader.ts';
import { eventsIn } from './event-stream.ts';
import type { ServedModel } from './served-models.ts';
import { plausible } from './text-model.ts';
import type { UpstreamClient } from './upstream-client.ts';
import { UpstreamError } from './upstream-error.ts';

interface SequenceOptions {
  readonly client: UpstreamClient;
  readonly model: ServedModel;
  readonly chat: InferenceRequest['chat'];
  readonly body: JsonObject;
  readonly maxTokens: number;
  readonly sink: Sink;
  readonly clock: () => number;
  /** Called once, after the end was passed to the sink. `fault` is set if the server failed. */
  readonly onEnd: (times: AnswerTimes, fault: UpstreamError | undefined) => void;
}

/** Measured times of one answer, in milliseconds, and what was computed in them. */
export interface AnswerTimes {
  readonly promptTokens: number;
  readonly promptMs: number;
  /** Tokens after the first one, and the time from the first one to the last. */
  readonly moreTokens: number;
  readonly moreMs: number;
}

/** Rough number of characters in a token, used only if neither server nor tokenizer counts. */
const CHARACTERS_PER_TOKEN = 4;

/**
 * One answer of a model server.
 *
 *   waiting → streaming ⇄ paused → ended, or refused if the server refuses before the first delta
 *
 * A pause stops reading; the server stops when the buffers of the connection are full. A cancel
 * closes the connection.
 */
export class UpstreamSequence implements Sequence {
  readonly #options: SequenceOptions;
  readonly #reader = new ChunkReader();
  readonly #gone = new AbortController();
  readonly #startedAt: number;
  #resumed: PromiseWithResolvers<void> | undefined;
  #firstAt: number | undefined;
  #text = '';
  #prompt: { readonly tokens: number | undefined } | undefined;
  #hasEnded = false;

  constructor(options: SequenceOptions) {
    this.#options = options;
    this.#startedAt = options.clock();
    void this.#run();
  }

  pause(): void {
    this.#resumed ??= Promise.withResolvers();
  }

  resume(): void {
    this.#resumed?.resolve();
    this.#resumed = undefined;
  }

  cancel(): void {
    this.#end('cancelled');
  }

  async #run(): Promise<void> {
    try {
      await this.#read(await this.#ask(this.#options.body));
    } catch (error) {
      if (!this.#hasEnded) this.#fail(error);
    }
  }

  /**
   * OpenAI's API has no `chat_template_kwargs`, and some servers refuse unknown fields. Such a server
   * gets the request again without that field.
   */
  async #ask({ chat_template_kwargs: forTemplate, ...others }: JsonObject) {
    const { client } = this.#options;
    try {
      const body = { ...others, chat_template_kwargs: forTemplate };
      return await client.stream(body, this.#gone.signal);
    } catch (error) {
      const isRefused =
        error instanceof UpstreamError && error.explanation?.includes('chat_template_kwargs');
      if (!isRefused) throw error;
      return client.stream(others, this.#gone.signal);
    }
  }

  async #read(response: IncomingMessage): Promise<void> {
    for await (const data of eventsIn(response)) {
      while (this.#resumed !== undefined) await this.#resumed.promise;
      if (this.#hasEnded) return;
      if (data === '[DONE]') break;
      for (const delta of this.#reader.read(chunkOf(data))) this.#pass(delta);
      if (this.#reader.tokens > this.#options.maxTokens) return this.#end('length');
    }
    if (this.#hasEnded) return;
    const { finish } = this.#reader;
    if (finish === undefined)
      throw new UpstreamError('malformed', 'the server ended its answer without a reason');
    this.#end(finish);
  }

  #pass(delta: Delta): void {
    if (this.#firstAt === undefined) {
      this.#firstAt = this.#options.clock();
      this.#begin();
    }
    if (this.#options.model.text !== undefined) this.#text += delta.text;
    this.#options.sink.delta(delta);
  }

  /** States the tokens of the prompt as counted here: the server reports its own count at the end. */
  #begin(): void {
    const promptTokens = this.#tokensInPrompt();
    if (promptTokens !== undefined) this.#options.sink.begun?.({ promptTokens, cachedTokens: 0 });
  }

  /** Counted once; undefined if this program cannot count the tokens of the model. */
  #tokensInPrompt(): number | undefined {
    const { chat, model } = this.#options;
    this.#prompt ??= { tokens: model.text?.promptTokensOf(chat) };
    return this.#prompt.tokens;
  }

  /** The server may have stopped before its first delta; then another machine can answer. */
  #fail(error: unknown): void {
    const fault =
      error instanceof UpstreamError
        ? error
        : new UpstreamError('unreachable', 'the server broke off its answer', { cause: error });
    if (this.#firstAt !== undefined) return this.#end('error', fault);
    this.#close();
    this.#options.sink.refuse(refusalOf(fault));
    this.#options.onEnd(this.#times(0), isServersFault(fault) ? fault : undefined);
  }

  #end(finish: Finish, fault?: UpstreamError): void {
    if (this.#hasEnded) return;
    this.#close();
    const usage = this.#usage();
    const rest = finish === 'cancelled' ? undefined : this.#reader.rest(usage.completionTokens);
    if (rest !== undefined) this.#options.sink.delta(rest);
    this.#options.sink.end(finish, usage, { stopSequence: this.#reader.stopSequence });
    this.#options.onEnd(this.#times(usage.promptTokens), fault);
  }

  #close(): void {
    this.#hasEnded = true;
    this.#gone.abort();
    this.resume();
  }

  #usage(): Usage {
    const { chat, model, maxTokens } = this.#options;
    const { usage, tokens } = this.#reader;
    const inPrompt = this.#tokensInPrompt();
    const promptTokens =
      usage === undefined
        ? (inPrompt ?? Math.ceil(JSON.stringify(chat.messages).length / CHARACTERS_PER_TOKEN))
        : plausible(usage.promptTokens, inPrompt);
    const completionTokens = Math.min(
      maxTokens,
      usage === undefined
        ? tokens
        : plausible(usage.completionTokens, model.text?.tokensIn(this.#text)),
    );
    return {
      promptTokens,
      completionTokens,
      cachedTokens: Math.min(promptTokens, usage?.cachedTokens ?? 0),
      ...(usage?.reasoningTokens !== undefined && {
        reasoningTokens: Math.min(completionTokens, usage.reasoningTokens),
      }),
    };
  }

  #times(promptTokens: number): AnswerTimes {
    const now = this.#options.clock();
    const firstAt = this.#firstAt ?? now;
    return {
      promptTokens,
      promptMs: firstAt - this.#startedAt,
      moreTokens: Math.max(0, this.#reader.tokens - 1),
      moreMs: now - firstAt,
    };
  }
}

function chunkOf(data: string): JsonObject {
  let chunk: unknown;
  try {
    chunk = JSON.parse(data);
  } catch (cause) {
    throw new UpstreamError('malformed', 'the server sent an event that is not JSON', { cause });
  }
  if (!isObject(chunk)) throw new UpstreamError('malformed', 'the server sent an empty event');
  if (chunk['error'] !== undefined && chunk['error'] !== null)
    throw new UpstreamError('status', 'the server reported an error in its stream');
  return chunk;
}

/** A request that is wrong for every machine is the client's fault; all others may be repeated. */
function refusalOf({ code, status = 0, explanation, cause }: UpstreamError): RequestRefused {
  if (code !== 'status' || status < 400) return new RequestRefused('model_not_loaded', { cause });
  const detail = explanation === undefined ? {} : { detail: explanation };
  if (status === 429 || status === 503) return new RequestRefused('queue_full');
  if (status === 400 && /context/i.test(explanation ?? ''))
    return new RequestRefused('request_exceeds_context');
  if (status === 400 || status === 422) return new RequestRefused('invalid_request', detail);
  return new RequestRefused('model_not_loaded');
}

const isServersFault = ({ code, status = 0 }: UpstreamError): boolean =>
  code !== 'status' || status >= 500;
