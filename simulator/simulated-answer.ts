import { createHash } from 'node:crypto';
import type { Delta, Finish, InferenceRequest, TokenLogprob, Usage } from '#bus-schemas';
import { madeUpJson } from './made-up-json.ts';
import { type TextOptions, TokenStream } from './simulated-text.ts';

type Chat = InferenceRequest['chat'];
type Tool = NonNullable<Chat['tools']>[number];

const REASONING_TOKENS = 24;
const PARALLEL_CALLS = 4;
const CHARACTERS_PER_TOKEN = 4;

/**
 * Generates the answer of a simulated model token by token. The answer begins with reasoning if the
 * request asks for it, and continues with calls of the offered tools, with JSON that fits the
 * schema, or with words. It depends only on the request.
 */
export class AnswerStream {
  readonly #chat: Chat;
  readonly #words: TokenStream;
  readonly #reasoning: TokenStream | undefined;
  /** The deltas of tool calls or JSON; undefined if the answer consists of words. */
  readonly #prepared: readonly Delta[] | undefined;
  readonly #callsTools: boolean;
  #generated = 0;
  #reasoned = 0;

  constructor(chat: Chat, options: TextOptions = {}) {
    this.#chat = chat;
    this.#words = new TokenStream(chat, options);
    const reasons = chat.reasoning_effort !== undefined && chat.reasoning_effort !== 'none';
    this.#reasoning = reasons
      ? new TokenStream(
          { messages: chat.messages, max_tokens: REASONING_TOKENS, seed: (chat.seed ?? 0) + 1 },
          { endless: true },
        )
      : undefined;
    const called = calledTools(chat);
    this.#callsTools = called.length > 0;
    if (called.length > 0)
      this.#prepared = called.flatMap((tool, index) => callOf(tool, index, chat));
    else if (chat.response_format !== undefined && chat.response_format.type !== 'text')
      this.#prepared = jsonOf(chat.response_format);
  }

  get promptTokens(): number {
    return this.#words.promptTokens;
  }

  /** Returns the next delta, or undefined after the last one. */
  next(): Delta | undefined {
    if (this.#generated >= this.#chat.max_tokens) return undefined;
    const delta = this.#nextReasoning() ?? this.#nextContent();
    if (delta !== undefined) this.#generated += 1;
    return delta;
  }

  #nextReasoning(): Delta | undefined {
    const thought = this.#reasoning?.next();
    if (thought === undefined) return undefined;
    this.#reasoned += 1;
    return { k: 'reasoning', text: thought, tokens: 1 };
  }

  #nextContent(): Delta | undefined {
    if (this.#prepared !== undefined) return this.#prepared[this.#generated - this.#reasoned];
    const text = this.#words.next();
    if (text === undefined) return undefined;
    return {
      k: 'text',
      text,
      tokens: 1,
      ...(this.#chat.logprobs && { logprobs: [logprobOf(text, this.#chat.top_logprobs ?? 0)] }),
    };
  }

  get finish(): Finish {
    const isCut = this.#generated >= this.#chat.max_tokens;
    if (this.#prepared === undefined)
      return isCut && this.#words.generated < this.#words.length ? 'length' : this.#words.finish;
    if (isCut && this.#generated - this.#reasoned < this.#prepared.length) return 'length';
    return this.#callsTools ? 'tool_calls' : 'stop';
  }

  get stopSequence(): string | undefined {
    return this.#prepared === undefined && this.finish === 'stop'
      ? this.#words.stoppedBy
      : undefined;
  }

  get usage(): Usage {
    return {
      promptTokens: this.promptTokens,
      cachedTokens: 0,
      completionTokens: this.#generated,
      ...(this.#reasoning && { reasoningTokens: this.#reasoned }),
    };
  }
}

/**
 * Returns the tools that the answer calls. If the last message is the result of a tool, the answer
 * calls none and consists of words, so that a conversation with tools ends.
 */
function calledTools({
  tools = [],
  tool_choice: choice,
  parallel_tool_calls: parallel = true,
  messages,
}: Chat): readonly Tool[] {
  if (choice === 'none') return [];
  if (typeof choice === 'object')
    return tools.filter((tool) => tool.function.name === choice.function.name).slice(0, 1);
  if (messages.at(-1)?.role === 'tool' && choice !== 'required') return [];
  return tools.slice(0, parallel ? PARALLEL_CALLS : 1);
}

function callOf(tool: Tool, index: number, chat: Chat): Delta[] {
  const { name, parameters = {} } = tool.function;
  const id = `call_${createHash('sha256')
    .update(JSON.stringify([chat.messages, name, index]))
    .digest('hex')
    .slice(0, 24)}`;
  const pieces = cut(JSON.stringify(madeUpJson(parameters)));
  return [
    { k: 'tool', index, id, name, text: '', tokens: 1 },
    ...pieces.map((text): Delta => ({ k: 'tool', index, text, tokens: 1 })),
  ];
}

function jsonOf({ json_schema: format }: NonNullable<Chat['response_format']>): Delta[] {
  const value = format?.schema === undefined ? { answer: 'a river' } : madeUpJson(format.schema);
  return cut(JSON.stringify(value)).map((text) => ({ k: 'text', text, tokens: 1 }));
}

/** Splits a text into pieces of `CHARACTERS_PER_TOKEN` whole characters. */
function cut(text: string): string[] {
  const characters = [...text];
  return Array.from({ length: Math.ceil(characters.length / CHARACTERS_PER_TOKEN) }, (_, index) =>
    characters.slice(index * CHARACTERS_PER_TOKEN, (index + 1) * CHARACTERS_PER_TOKEN).join(''),
  );
}

function logprobOf(token: string, top: number): TokenLogprob {
  const others = Array.from({ length: Math.max(0, top - 1) }, (_, index) => ({
    token: ` other${index}`,
    logprob: -2 - index,
  }));
  return { token, logprob: -0.125, top: top === 0 ? [] : [{ token, logprob: -0.125 }, ...others] };
}

export interface SimulatedAnswer {
  readonly text: string;
  readonly finish: Finish;
  readonly usage: Usage;
}

/** Returns the text of the whole answer; tool calls and reasoning are not part of it. */
export function simulatedAnswer(chat: Chat, options?: TextOptions): SimulatedAnswer {
  const stream = new AnswerStream(chat, options);
  let text = '';
  for (let delta = stream.next(); delta !== undefined; delta = stream.next())
    if (delta.k === 'text') text += delta.text;
  return { text, finish: stream.finish, usage: stream.usage };
}
