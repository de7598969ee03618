import type { Delta } from '#bus-schemas';
import type { ApiError } from '../../errors.ts';
import type { AttemptEnd } from '../attempt-end.ts';
import { logprobsOf } from './openai-shapes.ts';
import {
  callItem,
  endedResponse,
  endStatus,
  failedResponse,
  type Item,
  inProgress,
  messageItem,
  reasoningItem,
  textPart,
} from './response-resource.ts';
import { calledByClient } from './responses-tools.ts';
import { type AnswerHead, Gathering, type StreamWriter, sseEvent } from './surface.ts';

/** Writes a response as the stream of events of the Responses API. */

/** The item that is being written. */
interface OpenItem {
  readonly kind: Delta['k'];
  readonly id: string;
  readonly pieces: Gathering;
}

const PREFIX = { text: 'msg', reasoning: 'rs', tool: 'fc' } as const;

export class ResponseStream implements StreamWriter {
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
    const status = endStatus(end);
    // Clients expect at least one message, even if it is empty.
    const empty = this.#begun
      ? ''
      : this.#begin() + this.#openItem({ k: 'text', text: '', tokens: 1 });
    const closed = empty + this.#close(status);
    return (
      closed +
      this.#event({
        type: `response.${status}`,
        response: endedResponse(this.#head, this.#output, end),
      })
    );
  }

  cut(error: ApiError): string {
    const { message, code, param } = error.toBody().error;
    const failed = failedResponse(inProgress(this.#head), message, this.#output);
    return (
      this.#event({ type: 'error', code, message, param, error: { code, message, param } }) +
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
          this.#called({ id: delta.id ?? '', name: delta.name ?? '', arguments: '' }),
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
        const call = this.#called(calls[0] ?? { id: '', name: '', arguments: '' });
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

  #called<Call extends { readonly name: string }>(call: Call) {
    return calledByClient(call, this.#head.request['tools']);
  }

  #at() {
    return { item_id: this.#open?.id ?? '', output_index: this.#output.length };
  }
}
