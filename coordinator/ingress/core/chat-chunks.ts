import type { Finish, Usage } from '#bus-schemas';

/** What a consumer of `/v1/chat/completions` reads: one object, or a stream of chunks. */

export interface ChatHead {
  readonly job: string;
  /** As the caller wrote it, alias and all. */
  readonly model: string;
  readonly createdSeconds: number;
}

export const DONE = 'data: [DONE]\n\n';

export class ChatStream {
  readonly #start: string;
  #begun = false;

  constructor(head: ChatHead) {
    const fields = { id: `chatcmpl-${head.job}`, object: 'chat.completion.chunk', created: head.createdSeconds, model: head.model };
    this.#start = `data: ${JSON.stringify(fields).slice(0, -1)},`;
  }

  /** Hot path: a token's chunk is put together from text, only the token itself is escaped. */
  text(text: string): string {
    const role = this.#begun ? '' : '"role":"assistant",';
    this.#begun = true;
    return `${this.#start}"choices":[{"index":0,"delta":{${role}"content":${JSON.stringify(text)}},"finish_reason":null}]}\n\n`;
  }

  finish(finish: Finish, usage: Usage | undefined): string {
    const role = this.#begun ? '' : '"role":"assistant","content":""';
    const last = `${this.#start}"choices":[{"index":0,"delta":{${role}},"finish_reason":${JSON.stringify(finish)}}]}\n\n`;
    if (usage === undefined) return last + DONE;
    return `${last}${this.#start}"choices":[],"usage":${JSON.stringify(usageOf(usage))}}\n\n${DONE}`;
  }
}

export function chatCompletion(head: ChatHead, answer: { text: string; finish: Finish; usage: Usage }): string {
  return JSON.stringify({
    id: `chatcmpl-${head.job}`,
    object: 'chat.completion',
    created: head.createdSeconds,
    model: head.model,
    choices: [{ index: 0, message: { role: 'assistant', content: answer.text }, logprobs: null, finish_reason: answer.finish }],
    usage: usageOf(answer.usage),
  });
}

function usageOf(usage: Usage) {
  return {
    prompt_tokens: usage.promptTokens,
    completion_tokens: usage.completionTokens,
    total_tokens: usage.promptTokens + usage.completionTokens,
    prompt_tokens_details: { cached_tokens: usage.cachedTokens },
  };
}
