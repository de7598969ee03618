import { randomBytes } from 'node:crypto';
import type { Delta, Finish, TokenLogprob } from '#bus-schemas';
import { isObject, type JsonObject } from '../../models/json.ts';

/** The tokens that a server reports. */
interface ReportedUsage {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
  readonly reasoningTokens: number | undefined;
}

/** Maximum length of the text in one delta, in characters. */
const MAX_TEXT = 16_384;
const MAX_NAME = 64;
const MAX_CALLS = 128;
const MAX_TOKEN_TEXT = 256;
const MAX_TOP = 20;
const LEAST_LOGPROB = -9_999;

/** Names of the field with reasoning: of vLLM, LM Studio and llama.cpp, and of mlx_lm and Ollama. */
const REASONING_FIELDS = ['reasoning_content', 'reasoning'] as const;

/**
 * Turns the chunks of a streamed chat completion into deltas. Servers differ in details: some send a
 * token in each chunk and some several, and some send a whole tool call at once. So a chunk counts
 * as one token until the server states its usage at the end.
 */
export class ChunkReader {
  /** Tokens of all deltas so far. */
  tokens = 0;
  finish: Finish | undefined;
  usage: ReportedUsage | undefined;
  /** The stop string that ended the answer; only vLLM states it. */
  stopSequence: string | undefined;
  #calls = 0;
  #call: { readonly index: unknown; readonly id: unknown } | undefined;
  #last: Delta | undefined;

  read(chunk: JsonObject): Delta[] {
    this.usage = usageIn(chunk['usage']) ?? this.usage;
    const choice = Array.isArray(chunk['choices']) ? chunk['choices'][0] : undefined;
    if (!isObject(choice)) return [];
    const delta = isObject(choice['delta']) ? choice['delta'] : {};
    const reasoning = REASONING_FIELDS.find((field) => typeof delta[field] === 'string');
    const deltas: Delta[] = [
      ...split(reasoning && delta[reasoning]).map(reasoningOf),
      ...split(delta['content']).map((text) => ({ k: 'text' as const, text, tokens: 1 })),
      ...this.#callsIn(delta['tool_calls']),
    ];
    const logprobs = logprobsIn(choice['logprobs']);
    const [first] = deltas;
    if (first?.k === 'text' && logprobs.length > 0) deltas[0] = { ...first, logprobs };
    this.tokens += deltas.length;
    this.#last = deltas.at(-1) ?? this.#last;
    if (typeof choice['stop_reason'] === 'string') this.stopSequence = choice['stop_reason'];
    if (typeof choice['finish_reason'] === 'string')
      this.finish = this.#finishOf(choice['finish_reason']);
    return deltas;
  }

  /**
   * A delta without text that brings the tokens of all deltas to `tokens`; undefined if they are as
   * many already. It continues the last delta, so it begins no new part of the answer.
   */
  rest(tokens: number): Delta | undefined {
    const last = this.#last;
    const missing = tokens - this.tokens;
    if (missing <= 0 || last === undefined) return undefined;
    this.tokens = tokens;
    return last.k === 'tool'
      ? { k: 'tool', index: last.index, text: '', tokens: missing }
      : { k: last.k, text: '', tokens: missing };
  }

  #finishOf(reason: string): Finish {
    if (reason === 'length') return 'length';
    return this.#calls > 0 ? 'tool_calls' : 'stop';
  }

  #callsIn(calls: unknown): Delta[] {
    if (!Array.isArray(calls)) return [];
    return calls.flatMap((call) => (isObject(call) ? this.#callIn(call) : []));
  }

  /** Some servers give all calls the same index, and some repeat the id in each part of a call. */
  #callIn({ index, id, function: called }: JsonObject): Delta[] {
    const { name, arguments: given } = isObject(called) ? called : {};
    const text = isObject(given) ? JSON.stringify(given) : given;
    const isNamed = typeof name === 'string' && name !== '';
    const isSame = this.#call?.index === index && (!id || this.#call?.id === id);
    if (!isNamed || (isSame && this.#call !== undefined)) {
      if (this.#calls === 0) return [];
      return split(text).map((part) => ({
        k: 'tool',
        index: this.#calls - 1,
        text: part,
        tokens: 1,
      }));
    }
    if (this.#calls === MAX_CALLS) return [];
    this.#call = { index, id };
    this.#calls += 1;
    const [first = '', ...others] = split(text);
    const place = { k: 'tool' as const, index: this.#calls - 1, tokens: 1 };
    const isId = typeof id === 'string' && id !== '' && id.length <= MAX_NAME;
    return [
      {
        ...place,
        id: isId ? id : `call_${randomBytes(12).toString('hex')}`,
        name: name.slice(0, MAX_NAME),
        text: first,
      },
      ...others.map((part) => ({ ...place, text: part })),
    ];
  }
}

const reasoningOf = (text: string): Delta => ({ k: 'reasoning', text, tokens: 1 });

/** The text in parts that fit into a delta; none for a text that is empty or missing. */
function split(value: unknown): string[] {
  if (typeof value !== 'string' || value === '') return [];
  const text = value.toWellFormed();
  if (text.length <= MAX_TEXT) return [text];
  const characters = Array.from(text);
  const parts: string[] = [];
  for (let at = 0; at < characters.length; at += MAX_TEXT / 2)
    parts.push(characters.slice(at, at + MAX_TEXT / 2).join(''));
  return parts;
}

function usageIn(usage: unknown): ReportedUsage | undefined {
  if (!isObject(usage)) return undefined;
  const { prompt_tokens_details: prompt, completion_tokens_details: completion } = usage;
  const promptTokens = countIn(usage['prompt_tokens']);
  const completionTokens = countIn(usage['completion_tokens']);
  if (promptTokens === undefined || completionTokens === undefined) return undefined;
  const cached = isObject(prompt) ? countIn(prompt['cached_tokens']) : undefined;
  const reasoning = isObject(completion) ? countIn(completion['reasoning_tokens']) : undefined;
  return {
    promptTokens,
    completionTokens,
    cachedTokens: Math.min(promptTokens, cached ?? 0),
    reasoningTokens: reasoning && Math.min(completionTokens, reasoning),
  };
}

const countIn = (value: unknown): number | undefined =>
  Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : undefined;

function logprobsIn(logprobs: unknown): TokenLogprob[] {
  const entries = isObject(logprobs) ? logprobs['content'] : undefined;
  if (!Array.isArray(entries)) return [];
  return entries.filter(isObject).map((entry) => ({
    ...tokenIn(entry),
    top: (Array.isArray(entry['top_logprobs']) ? entry['top_logprobs'] : [])
      .filter(isObject)
      .slice(0, MAX_TOP)
      .map(tokenIn),
  }));
}

const tokenIn = ({ token, logprob }: JsonObject) => ({
  token: String(token).slice(0, MAX_TOKEN_TEXT).toWellFormed(),
  logprob:
    typeof logprob === 'number' ? Math.min(0, Math.max(LEAST_LOGPROB, logprob)) : LEAST_LOGPROB,
});
