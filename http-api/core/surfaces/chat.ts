import type { Delta } from '#bus-schemas';
import type { ApiError } from '../../errors.ts';
import type { AttemptEnd } from '../attempt-end.ts';
import { chatParameters } from '../parameters/chat-parameters.ts';
import { excludesReasoning, lowerReasoning } from './chat-reasoning.ts';
import { DONE, finishReason, logprobsOf, usageOf } from './openai-shapes.ts';
import {
  type AnswerContent,
  type AnswerHead,
  type StreamWriter,
  type Surface,
  sseData,
} from './surface.ts';

/** `POST /v1/chat/completions`: the contract itself. */
export const chat: Surface = {
  path: '/v1/chat/completions',
  parameters: chatParameters,
  lower: lowerReasoning,
  stream: (head) => new ChatStream(head),
  whole: chatCompletion,
  error: (error) => error.toBody(),
};

class ChatStream implements StreamWriter {
  readonly #start: string;
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
    return `${this.#start}"choices":[{"index":0,"delta":{${role}${fields}},${extra}"finish_reason":null}]}\n\n`;
  }

  finish(end: AttemptEnd): string {
    const role = this.#begun ? '' : '"role":"assistant","content":""';
    const last = `${this.#start}"choices":[{"index":0,"delta":{${role}},"finish_reason":"${finishReason(end.finish)}"}]}\n\n`;
    if (!this.#includeUsage) return last + DONE;
    return `${last}${this.#start}"choices":[],"usage":${JSON.stringify(usageOf(end))}}\n\n${DONE}`;
  }

  cut(error: ApiError): string {
    return sseData(error.toBody());
  }
}

function chatCompletion(
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
    id: `chatcmpl-${head.job}`,
    object: 'chat.completion',
    created: head.createdSeconds,
    model: head.model,
    choices: [
      {
        index: 0,
        message,
        logprobs: logprobs === undefined ? null : logprobsOf(logprobs),
        finish_reason: finishReason(end.finish),
      },
    ],
    usage: usageOf(end),
  };
}
