import type { Delta } from '#bus-schemas';
import type { ApiError } from '../../errors.ts';
import type { AttemptEnd } from '../attempt-end.ts';
import { isGiven, isObject } from '../json.ts';
import { logprobsOf } from './openai-shapes.ts';
import { lowerResponses } from './responses-request.ts';
import {
  type AnswerHead,
  Gathering,
  type StreamWriter,
  type Surface,
  sseEvent,
  type WholeAnswer,
} from './surface.ts';

/**
 * `POST /v1/responses`: OpenAI's newer API. An answer is a list of items: reasoning, messages and
 * function calls.
 */
export const responses: Surface = {
  path: '/v1/responses',
  lower: lowerResponses,
  stream: (head) => new ResponseStream(head),
  whole: (head, answer) => ended(head, itemsOf(head, answer), answer.end),
  error: (error) => error.toBody(),
};

type Item = { id: string; type: string } & Record<string, unknown>;

/** The fields of a response before it has any output. */
function inProgress({ job, createdSeconds, model, request, maxOutputTokens }: AnswerHead) {
  const {
    instructions,
    tools,
    tool_choice,
    parallel_tool_calls,
    temperature,
    top_p,
    text,
    reasoning,
    metadata,
  } = request;
  return {
    id: `resp_${job}`,
    object: 'response',
    created_at: createdSeconds,
    status: 'in_progress',
    background: false,
    error: null,
    incomplete_details: null,
    instructions: instructions ?? null,
    max_output_tokens: isGiven(request['max_output_tokens']) ? maxOutputTokens : null,
    model,
    output: [] as Item[],
    parallel_tool_calls: parallel_tool_calls ?? true,
    previous_response_id: null,
    reasoning: {
      effort: isObject(reasoning) ? (reasoning['effort'] ?? null) : null,
      summary: null,
    },
    store: false,
    temperature: temperature ?? 1,
    text: isObject(text) ? { format: { type: 'text' }, ...text } : { format: { type: 'text' } },
    tool_choice: tool_choice ?? 'auto',
    tools: tools ?? [],
    top_p: top_p ?? 1,
    truncation: 'disabled',
    usage: null,
    user: null,
    metadata: isObject(metadata) ? metadata : {},
  };
}

function ended(head: AnswerHead, output: Item[], { finish, usage }: AttemptEnd) {
  const isCut = finish === 'length';
  return {
    ...inProgress(head),
    status: isCut ? 'incomplete' : 'completed',
    incomplete_details: isCut ? { reason: 'max_output_tokens' } : null,
    output,
    usage: {
      input_tokens: usage.promptTokens,
      input_tokens_details: { cached_tokens: usage.cachedTokens },
      output_tokens: usage.completionTokens,
      output_tokens_details: { reasoning_tokens: usage.reasoningTokens ?? 0 },
      total_tokens: usage.promptTokens + usage.completionTokens,
    },
  };
}

function itemsOf(head: AnswerHead, { text, reasoning, calls, logprobs, end }: WholeAnswer): Item[] {
  const id = (prefix: string, index: number) => `${prefix}_${head.job}_${index}`;
  const status = end.finish === 'length' ? 'incomplete' : 'completed';
  const items: Item[] = [];
  if (reasoning !== '') items.push(reasoningItem(id('rs', 0), reasoning));
  if (text !== '' || calls.length === 0)
    items.push(
      messageItem(
        id('msg', items.length),
        status,
        textPart(text, logprobs && logprobsOf(logprobs).content),
      ),
    );
  for (const call of calls) items.push(callItem(id('fc', items.length), call, 'completed'));
  return items;
}

const reasoningItem = (id: string, text: string): Item => ({
  id,
  type: 'reasoning',
  summary: text === '' ? [] : [{ type: 'summary_text', text }],
});
const messageItem = (id: string, status: string, ...content: object[]): Item => ({
  id,
  type: 'message',
  status,
  role: 'assistant',
  content,
});
const textPart = (text: string, logprobs: readonly object[] = []) => ({
  type: 'output_text',
  text,
  annotations: [],
  logprobs,
});
const callItem = (
  id: string,
  call: { id: string; name: string; arguments: string },
  status: string,
): Item => ({
  id,
  type: 'function_call',
  status,
  call_id: call.id,
  name: call.name,
  arguments: call.arguments,
});

/** The item that is being written. */
interface OpenItem {
  readonly kind: Delta['k'];
  readonly id: string;
  readonly pieces: Gathering;
}

const PREFIX = { text: 'msg', reasoning: 'rs', tool: 'fc' } as const;

class ResponseStream implements StreamWriter {
  readonly #head: AnswerHead;
  readonly #output: Item[] = [];
  #open: OpenItem | undefined;
  #sequence = 0;
  #begun = false;

  constructor(head: AnswerHead) {
    this.#head = head;
  }

  delta(delta: Delta): string {
    return this.#begin() + this.#turnTo(delta) + this.#piece(delta);
  }

  finish(end: AttemptEnd): string {
    const status = end.finish === 'length' ? 'incomplete' : 'completed';
    // Clients expect at least one message, even if it is empty.
    const empty = this.#begun
      ? ''
      : this.#begin() + this.#openItem({ k: 'text', text: '', tokens: 1 });
    const closed = empty + this.#close(status);
    return (
      closed +
      this.#event({ type: `response.${status}`, response: ended(this.#head, this.#output, end) })
    );
  }

  cut(error: ApiError): string {
    const { message, code, param } = error.toBody().error;
    const failed = {
      ...inProgress(this.#head),
      status: 'failed',
      error: { code: 'server_error', message },
      output: this.#output,
    };
    return (
      this.#event({ type: 'error', code, message, param }) +
      this.#event({ type: 'response.failed', response: failed })
    );
  }

  #event(event: { type: string } & Record<string, unknown>): string {
    const text = sseEvent({ ...event, sequence_number: this.#sequence } as { type: string });
    this.#sequence += 1;
    return text;
  }

  #begin(): string {
    if (this.#begun) return '';
    this.#begun = true;
    const response = inProgress(this.#head);
    return (
      this.#event({ type: 'response.created', response }) +
      this.#event({ type: 'response.in_progress', response })
    );
  }

  /**
   * Closes the open item if the piece does not belong to it, and opens a new item for the piece.
   */
  #turnTo(delta: Delta): string {
    const belongs = this.#open?.kind === delta.k && (delta.k !== 'tool' || delta.id === undefined);
    return belongs ? '' : this.#close('completed') + this.#openItem(delta);
  }

  #openItem(delta: Delta): string {
    const item = {
      kind: delta.k,
      id: `${PREFIX[delta.k]}_${this.#head.job}_${this.#output.length}`,
      pieces: new Gathering(),
    };
    this.#open = item;
    const at = this.#at();
    switch (delta.k) {
      case 'text':
        return (
          this.#event({
            type: 'response.output_item.added',
            output_index: at.output_index,
            item: messageItem(item.id, 'in_progress'),
          }) +
          this.#event({
            type: 'response.content_part.added',
            ...at,
            content_index: 0,
            part: textPart(''),
          })
        );
      case 'reasoning':
        return (
          this.#event({
            type: 'response.output_item.added',
            output_index: at.output_index,
            item: reasoningItem(item.id, ''),
          }) +
          this.#event({
            type: 'response.reasoning_summary_part.added',
            ...at,
            summary_index: 0,
            part: { type: 'summary_text', text: '' },
          })
        );
      case 'tool': {
        const call = callItem(
          item.id,
          { id: delta.id ?? '', name: delta.name ?? '', arguments: '' },
          'in_progress',
        );
        return this.#event({
          type: 'response.output_item.added',
          output_index: at.output_index,
          item: call,
        });
      }
    }
  }

  #piece(delta: Delta): string {
    this.#open?.pieces.add(delta);
    const at = this.#at();
    switch (delta.k) {
      case 'text': {
        const logprobs = delta.logprobs === undefined ? [] : logprobsOf(delta.logprobs).content;
        return this.#event({
          type: 'response.output_text.delta',
          ...at,
          content_index: 0,
          delta: delta.text,
          logprobs,
        });
      }
      case 'reasoning':
        return this.#event({
          type: 'response.reasoning_summary_text.delta',
          ...at,
          summary_index: 0,
          delta: delta.text,
        });
      case 'tool':
        return delta.text === ''
          ? ''
          : this.#event({
              type: 'response.function_call_arguments.delta',
              ...at,
              delta: delta.text,
            });
    }
  }

  #close(status: string): string {
    const open = this.#open;
    if (open === undefined) return '';
    const at = this.#at();
    this.#open = undefined;
    const { text, reasoning, calls, logprobs: raw } = open.pieces.whole();
    const done = (item: Item) => {
      this.#output.push(item);
      return this.#event({
        type: 'response.output_item.done',
        output_index: at.output_index,
        item,
      });
    };
    switch (open.kind) {
      case 'text': {
        const logprobs = raw === undefined ? [] : logprobsOf(raw).content;
        const part = textPart(text, logprobs);
        return (
          this.#event({
            type: 'response.output_text.done',
            ...at,
            content_index: 0,
            text,
            logprobs,
          }) +
          this.#event({ type: 'response.content_part.done', ...at, content_index: 0, part }) +
          done(messageItem(open.id, status, part))
        );
      }
      case 'reasoning':
        return (
          this.#event({
            type: 'response.reasoning_summary_text.done',
            ...at,
            summary_index: 0,
            text: reasoning,
          }) +
          this.#event({
            type: 'response.reasoning_summary_part.done',
            ...at,
            summary_index: 0,
            part: { type: 'summary_text', text: reasoning },
          }) +
          done(reasoningItem(open.id, reasoning))
        );
      case 'tool': {
        const call = calls[0] ?? { id: '', name: '', arguments: '' };
        return (
          this.#event({
            type: 'response.function_call_arguments.done',
            ...at,
            name: call.name,
            arguments: call.arguments,
          }) + done(callItem(open.id, call, status))
        );
      }
    }
  }

  #at() {
    return { item_id: this.#open?.id ?? '', output_index: this.#output.length };
  }
}
