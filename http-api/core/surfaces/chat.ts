import type { Delta } from '#bus-schemas';
import type { ApiError } from '../../errors.ts';
import type { AttemptEnd } from '../attempt-end.ts';
import { chatParameters } from '../parameters/chat-parameters.ts';
import type { ChoicesSum } from '../sum-of-ends.ts';
import { excludesReasoning, lowerReasoning } from './chat-reasoning.ts';
import { DONE, failedChoice, finishReason, logprobsOf, usageOf } from './openai-shapes.ts';
import {
  type AnswerContent,
  type AnswerHead,
  type ChoiceWriter,
  type Surface,
  sseData,
} from './surface.ts';

/** `POST /v1/chat/completions`: the contract itself. */
export const chat: Surface = {
  path: '/v1/chat/completions',
  parameters: chatParameters,
  lower: lowerReasoning,
  stream: (head) => new ChatStream(head),
  whole: (head, content) => completionOf(head, [choiceOf(head, content)], content.end),
  choices: {
    stream: (head) => new ChatStream(head),
    choice: choiceOf,
    failed: (error, index) => ({
      index,
      message: { role: 'assistant', content: null, refusal: null },
      logprobs: null,
      ...failedChoice(error),
    }),
    whole: completionOf,
  },
  error: (error) => error.toBody(),
};

class ChatStream implements ChoiceWriter {
  readonly #start: string;
  /** Beginning of the only choice of a chunk. */
  readonly #choice: string;
  readonly #includeUsage: boolean;
  readonly #excludesReasoning: boolean;
  #begun = false;

  constructor(head: AnswerHead) {
    const fields = {
      id: `chatcmpl-${head.job}`,
      object: 'chat.completion.chunk',
      created: head.createdSeconds,
      model: head.model,
    };
    this.#start = `data: ${JSON.stringify(fields).slice(0, -1)},`;
    this.#choice = `"choices":[{"index":${head.choice ?? 0},`;
    this.#includeUsage = head.includeUsage;
    this.#excludesReasoning = excludesReasoning(head.request);
  }

  /**
   * Hot path: the chunk of a token is concatenated from strings, and only the token itself is
   * escaped as JSON.
   */
  delta(delta: Delta): string {
    switch (delta.k) {
      case 'text': {
        const logprobs =
          delta.logprobs === undefined
            ? ''
            : `"logprobs":${JSON.stringify(logprobsOf(delta.logprobs))},`;
        return this.#chunk(`"content":${JSON.stringify(delta.text)}`, logprobs);
      }
      case 'reasoning':
        if (this.#excludesReasoning) return '';
        return this.#chunk(`"reasoning_content":${JSON.stringify(delta.text)}`);
      case 'tool': {
        const { index, id, name, text } = delta;
        const call =
          id === undefined
            ? { index, function: { arguments: text } }
            : { index, id, type: 'function', function: { name, arguments: text } };
        return this.#chunk(`"tool_calls":[${JSON.stringify(call)}]`);
      }
    }
  }

  #chunk(fields: string, extra = ''): string {
    const role = this.#begun ? '' : '"role":"assistant",';
    this.#begun = true;
    return `${this.#start}${this.#choice}"delta":{${role}${fields}},${extra}"finish_reason":null}]}\n\n`;
  }

  finish(end: AttemptEnd): string {
    return this.last(end) + this.close(end);
  }

  last({ finish }: AttemptEnd): string {
    const role = this.#begun ? '' : '"role":"assistant","content":""';
    return `${this.#start}${this.#choice}"delta":{${role}},"finish_reason":"${finishReason(finish)}"}]}\n\n`;
  }

  failed(error: ApiError): string {
    const fields = JSON.stringify(failedChoice(error)).slice(1);
    return `${this.#start}${this.#choice}"delta":{},${fields}]}\n\n`;
  }

  close(sum: ChoicesSum): string {
    if (!this.#includeUsage) return DONE;
    return `${this.#start}"choices":[],"usage":${JSON.stringify(usageOf(sum))}}\n\n${DONE}`;
  }

  cut(error: ApiError): string {
    return sseData(error.toBody());
  }
}

function choiceOf(
  head: AnswerHead,
  { text, reasoning, calls, logprobs, end }: AnswerContent,
): object {
  const message = {
    role: 'assistant',
    content: text === '' && calls.length > 0 ? null : text,
    refusal: null,
    ...(reasoning !== '' && !excludesReasoning(head.request) && { reasoning_content: reasoning }),
    ...(calls.length > 0 && {
      tool_calls: calls.map(({ id, name, arguments: args }) => ({
        id,
        type: 'function',
        function: { name, arguments: args },
      })),
    }),
  };
  return {
    index: head.choice ?? 0,
    message,
    logprobs: logprobs === undefined ? null : logprobsOf(logprobs),
    finish_reason: finishReason(end.finish),
  };
}

function completionOf(head: AnswerHead, choices: readonly object[], sum: ChoicesSum): object {
  return {
    id: `chatcmpl-${head.job}`,
    object: 'chat.completion',
    created: head.createdSeconds,
    model: head.model,
    choices,
    usage: usageOf(sum),
  };
}
