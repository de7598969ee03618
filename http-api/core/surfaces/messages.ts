import type { Delta, PromptUsage, Usage } from '#bus-schemas';
import type { ApiError } from '../../errors.ts';
import type { AttemptEnd } from '../attempt-end.ts';
import type { JsonObject } from '../json.ts';
import { messagesParameters } from '../parameters/messages-parameters.ts';
import { lowerMessages, omitsThinking, wantsThinking } from './messages-request.ts';
import {
  type AnswerContent,
  type AnswerHead,
  type StreamWriter,
  type Surface,
  sseEvent,
} from './surface.ts';

/**
 * `POST /v1/messages`: Anthropic's API. An answer is a list of blocks; a stream opens and closes
 * them one after the other.
 */
export const messages: Surface = {
  path: '/v1/messages',
  parameters: messagesParameters,
  lower: lowerMessages,
  stream: (head) => new MessageStream(head),
  whole: message,
  error: errorBody,
};

/**
 * The signature of a thinking block. Clients send it back with the block in later requests, and
 * drop blocks without one. It proves nothing: the text of a block is a part of the conversation like
 * any other, so it may be changed or invented.
 */
const signatureOf = ({ job }: AnswerHead): string => Buffer.from(`dinf ${job}`).toString('base64');

function message(head: AnswerHead, { text, reasoning, calls, end }: AnswerContent): object {
  const content: object[] = [];
  if (reasoning !== '' && wantsThinking(head.request))
    content.push({
      type: 'thinking',
      thinking: omitsThinking(head.request) ? '' : reasoning,
      signature: signatureOf(head),
    });
  if (text !== '' || calls.length === 0) content.push({ type: 'text', text });
  for (const { id, name, arguments: input } of calls)
    content.push({ type: 'tool_use', id, name, input: parsed(input) });
  return {
    ...headOf(head),
    content,
    ...stopOf(end),
    usage: usageOf(end.usage),
  };
}

/** Anthropic's usage counts the prompt tokens that were in a cache separately. */
const usageOf = ({ promptTokens, cachedTokens, completionTokens }: Usage) => ({
  input_tokens: promptTokens - cachedTokens,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: cachedTokens,
  output_tokens: completionTokens,
});

/**
 * The arguments of a tool call as JSON. If they do not parse because the model stopped early, they
 * are returned as text in the field `unfinished`.
 */
function parsed(input: string): unknown {
  try {
    return JSON.parse(input === '' ? '{}' : input);
  } catch {
    return { unfinished: input };
  }
}

const headOf = ({ job, model }: AnswerHead) => ({
  id: `msg_${job}`,
  type: 'message',
  role: 'assistant',
  model,
});

function stopOf({ finish, stopSequence }: AttemptEnd): {
  stop_reason: string;
  stop_sequence: string | null;
} {
  if (finish === 'length') return { stop_reason: 'max_tokens', stop_sequence: null };
  if (finish === 'tool_calls') return { stop_reason: 'tool_use', stop_sequence: null };
  return stopSequence === undefined
    ? { stop_reason: 'end_turn', stop_sequence: null }
    : { stop_reason: 'stop_sequence', stop_sequence: stopSequence };
}

class MessageStream implements StreamWriter {
  readonly #head: AnswerHead;
  readonly #thinks: boolean;
  readonly #omitsThinking: boolean;
  #begun = false;
  #prompt: PromptUsage | undefined;
  #open: Delta['k'] | undefined;
  #blocks = 0;

  constructor(head: AnswerHead) {
    this.#head = head;
    this.#thinks = wantsThinking(head.request);
    this.#omitsThinking = omitsThinking(head.request);
  }

  delta(delta: Delta): string {
    this.#prompt ??= delta.prompt;
    if (delta.k === 'reasoning' && !this.#thinks) return '';
    const start = this.#begin();
    const continues = this.#open === delta.k && (delta.k !== 'tool' || delta.id === undefined);
    return start + (continues ? '' : this.#close() + this.#openBlock(delta)) + this.#piece(delta);
  }

  finish(end: AttemptEnd): string {
    this.#prompt ??= end.usage;
    const start = this.#begin();
    // Clients expect at least one block, even if it is empty.
    const empty =
      this.#blocks === 0 && this.#open === undefined
        ? this.#openBlock({ k: 'text', text: '', tokens: 1 })
        : '';
    const usage = usageOf(end.usage);
    return `${start}${empty}${this.#close()}${sseEvent({ type: 'message_delta', delta: stopOf(end), usage } as { type: string })}${sseEvent({ type: 'message_stop' })}`;
  }

  cut(error: ApiError): string {
    return sseEvent(errorBody(error) as { type: string });
  }

  #begin(): string {
    if (this.#begun) return '';
    this.#begun = true;
    const empty = {
      ...headOf(this.#head),
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: usageOf({ ...this.#promptUsage(), completionTokens: 0 }),
    };
    return sseEvent({ type: 'message_start', message: empty } as { type: string });
  }

  /** An engine that counts the prompt only at the end gets an estimate; the last event corrects it. */
  #promptUsage(): PromptUsage {
    const { estimate, bound } = this.#head.promptTokens;
    const { promptTokens, cachedTokens } = this.#prompt ?? {
      promptTokens: estimate,
      cachedTokens: 0,
    };
    const most = Math.min(promptTokens, bound);
    return { promptTokens: most, cachedTokens: Math.min(cachedTokens, most) };
  }

  #openBlock(delta: Delta): string {
    this.#open = delta.k;
    return this.#event({ type: 'content_block_start', content_block: emptyBlock(delta) });
  }

  #piece(delta: Delta): string {
    switch (delta.k) {
      case 'text':
        return this.#event({
          type: 'content_block_delta',
          delta: { type: 'text_delta', text: delta.text },
        });
      case 'reasoning':
        return this.#omitsThinking
          ? ''
          : this.#event({
              type: 'content_block_delta',
              delta: { type: 'thinking_delta', thinking: delta.text },
            });
      case 'tool':
        return delta.text === ''
          ? ''
          : this.#event({
              type: 'content_block_delta',
              delta: { type: 'input_json_delta', partial_json: delta.text },
            });
    }
  }

  #close(): string {
    if (this.#open === undefined) return '';
    const signature =
      this.#open === 'reasoning'
        ? this.#event({
            type: 'content_block_delta',
            delta: { type: 'signature_delta', signature: signatureOf(this.#head) },
          })
        : '';
    const closed = signature + this.#event({ type: 'content_block_stop' });
    this.#open = undefined;
    this.#blocks += 1;
    return closed;
  }

  #event({ type, ...fields }: { type: string } & JsonObject): string {
    return sseEvent({ type, index: this.#blocks, ...fields } as { type: string });
  }
}

function emptyBlock(delta: Delta): object {
  switch (delta.k) {
    case 'text':
      return { type: 'text', text: '' };
    case 'reasoning':
      return { type: 'thinking', thinking: '', signature: '' };
    case 'tool':
      return { type: 'tool_use', id: delta.id, name: delta.name, input: {} };
  }
}

function errorBody(error: ApiError, requestId?: string): object {
  return {
    type: 'error',
    error: {
      type: error.anthropicType,
      message: error.message,
      ...(error.details !== undefined && { details: error.details }),
    },
    ...(requestId !== undefined && { request_id: requestId }),
  };
}
