import { randomBytes } from 'node:crypto';
import type { Delta, Finish, InferenceRequest, TokenLogprob, Usage } from '#bus-schemas';
import type { AnswerPart, AnswerReader } from '../answers/format.ts';
import { StopStrings } from '../answers/stop-strings.ts';
import type { Model } from '../models/model.ts';
import { TextStream } from '../models/tokenizer.ts';
import type { PlacedImage } from './decoders/step.ts';
import type { Sink } from './engine.ts';
import { type Constraint, GrammarError } from './sampling/grammars.ts';
import { logShares, Sampler, topTokens } from './sampling/sampler.ts';
import { samplingOf } from './sampling/sampling-options.ts';
import type { Task, TaskEnd } from './scheduling/task.ts';

type Chat = InferenceRequest['chat'];

/** What a model reads before it writes: the prompt, and the tokens with which the answer begins. */
export const tokensToRead = (
  prompt: readonly number[],
  answerTokens: readonly number[],
): readonly number[] => (answerTokens.length === 0 ? prompt : [...prompt, ...answerTokens]);

interface GenerationOptions {
  readonly model: Model;
  readonly chat: Chat;
  readonly maxTokens: number;
  readonly prompt: readonly number[];
  /** The tokens with which the answer begins; they count as tokens of the answer. */
  readonly answerTokens?: readonly number[] | undefined;
  readonly reportsIds?: boolean | undefined;
  readonly images?: readonly PlacedImage[] | undefined;
  /** True if the prompt ended with <think>, so that the answer begins with reasoning. */
  readonly thinksFirst: boolean;
  readonly scope: string;
  readonly isStorable?: boolean;
  readonly isUrgent: boolean;
  readonly constraint: Constraint | undefined;
  readonly sink: Sink;
  readonly cachedTokens: () => number;
  /** `failure` is set if this machine is at fault, and undefined otherwise. */
  readonly onEnd: (failure?: unknown) => void;
}

const MAX_LOGPROBS = 256;
const LEAST_LOGPROB = -9_999;

/** One answer. Turns the logits of each step into deltas of text, reasoning and tool calls. */
export class Generation implements Task {
  readonly prompt: readonly number[];
  readonly images: readonly PlacedImage[];
  readonly maxTokens: number;
  readonly scope: string;
  readonly isStorable: boolean;
  readonly isUrgent: boolean;
  readonly wantsLogits: boolean;
  readonly #options: GenerationOptions;
  readonly #sampler: Sampler;
  readonly #text: TextStream;
  readonly #stops: StopStrings;
  readonly #reader: AnswerReader;
  /**
   * Parts of the answer, number of tokens and log probabilities not sent yet. Every delta counts at
   * least one token.
   */
  #parts: AnswerPart[] = [];
  #unsentTokens = 0;
  /** Ids of tokens that no delta has reported yet; undefined if none are reported. */
  #unsentIds: number[] | undefined;
  #logprobs: TokenLogprob[] = [];
  #completionTokens = 0;
  #reasoningTokens = 0;
  #callIndex = -1;
  #failed = false;
  #isBegun = false;

  constructor(options: GenerationOptions) {
    const { model, chat, constraint } = options;
    this.#options = options;
    const { answerTokens = [] } = options;
    this.prompt = tokensToRead(options.prompt, answerTokens);
    this.images = options.images ?? [];
    this.maxTokens = options.maxTokens - answerTokens.length;
    this.scope = options.scope;
    this.isStorable = options.isStorable === true;
    this.isUrgent = options.isUrgent;
    this.#sampler = new Sampler(samplingOf({ ...model.defaults, ...chat }), options.prompt);
    this.#text = new TextStream(model.tokenizer);
    this.#stops = new StopStrings(chat.stop ?? []);
    this.#reader = readerOf(options);
    this.wantsLogits =
      this.#sampler.wantsLogits || constraint !== undefined || chat.logprobs === true;
  }

  /**
   * Takes the tokens with which the answer begins. Returns how the answer ends if it ends with
   * them. Call it once, before the first `choose`.
   */
  takeBeginning(): TaskEnd | undefined {
    const { answerTokens = [], constraint, reportsIds } = this.#options;
    for (const token of answerTokens) {
      if (!this.#reader.isThinking) constraint?.accept(token);
      if (this.#take(token) === undefined) return 'done';
    }
    this.#sampler.skip(answerTokens.length);
    if (reportsIds) this.#unsentIds = [];
    return this.maxTokens > 0 ? undefined : 'length';
  }

  choose(
    best: number,
    row: Float32Array | undefined,
  ): number | undefined | Promise<number | undefined> {
    const { constraint } = this.#options;
    if (constraint === undefined || this.#reader.isThinking)
      return this.#take(row === undefined ? best : this.#sample(row, undefined));
    return this.#chooseWithin(constraint, row as Float32Array);
  }

  async #chooseWithin(constraint: Constraint, row: Float32Array): Promise<number | undefined> {
    const mask = await constraint.mask();
    if (mask === undefined) return undefined;
    if (mask.every((bits) => bits === 0)) throw new GrammarError('No token can follow.');
    const token = this.#sample(row, mask);
    constraint.accept(token);
    return this.#take(token);
  }

  #sample(row: Float32Array, mask: Int32Array | undefined): number {
    const { chat, model } = this.#options;
    // A NaN or infinite logit means that the model or its weights are broken, so the answer is
    // ended.
    if (!Number.isFinite(row[0])) this.#failed = true;
    const shareOf = chat.logprobs === true ? logShares(row) : undefined;
    const shown = (token: number) => {
      const logprob = shareOf?.(token) ?? 0;
      return {
        token: model.tokenizer.textOf(token).slice(0, 256),
        // The comparison is false for NaN, which a broken model computes and no message may have.
        logprob: logprob > LEAST_LOGPROB ? logprob : LEAST_LOGPROB,
      };
    };
    const top = shareOf === undefined ? [] : topTokens(row, chat.top_logprobs ?? 0).map(shown);
    const token = this.#sampler.choose(row, mask);
    if (shareOf !== undefined && !model.endTokens.has(token))
      this.#logprobs.push({ ...shown(token), top });
    return token;
  }

  /** Accepts a token and returns it, or undefined if the answer ends with it. */
  #take(token: number): number | undefined {
    if (this.#failed || this.#options.model.endTokens.has(token)) return undefined;
    this.#sampler.accept(token);
    this.#completionTokens += 1;
    this.#unsentTokens += 1;
    this.#unsentIds?.push(token);
    const wasThinking = this.#reader.isThinking;
    const sign = this.#options.model.tokenizer.signOf(token);
    if (sign !== undefined) {
      this.#read(this.#reader.push(this.#text.end()));
      this.#read(this.#reader.pushSign(sign));
    } else this.#read(this.#reader.push(this.#text.push(token)));
    if (wasThinking) this.#reasoningTokens += 1;
    this.#send(false);
    return this.#stops.found === undefined ? token : undefined;
  }

  #read(parts: readonly AnswerPart[]): void {
    for (const part of parts) {
      const text = part.k === 'text' ? this.#stops.push(part.text) : undefined;
      if (text === undefined) this.#parts.push(part);
      else if (text !== '') this.#parts.push({ k: 'text', text });
    }
  }

  #send(isLast: boolean): void {
    while (this.#parts.length > 0 && (this.#unsentTokens > 0 || isLast)) {
      const part = this.#parts.shift() as AnswerPart;
      const next = this.#parts[0];
      const opened = part.k === 'call' && next?.k === 'arguments' ? next.text : undefined;
      if (opened !== undefined) this.#parts.shift();
      const tokens = this.#parts.length === 0 ? Math.max(1, this.#unsentTokens) : 1;
      this.#unsentTokens = Math.max(0, this.#unsentTokens - tokens);
      this.#begin();
      this.#options.sink.delta(this.#withIds(this.#deltaOf(part, { opened, tokens })));
    }
  }

  #withIds(delta: Delta): Delta {
    const ids = this.#unsentIds;
    if (ids === undefined || ids.length === 0) return delta;
    this.#unsentIds = [];
    return { ...delta, ids };
  }

  #begin(): void {
    if (this.#isBegun) return;
    this.#isBegun = true;
    const { promptTokens, cachedTokens } = this.usage;
    this.#options.sink.begun?.({ promptTokens, cachedTokens });
  }

  #deltaOf(
    part: AnswerPart,
    { opened, tokens }: { opened: string | undefined; tokens: number },
  ): Delta {
    switch (part.k) {
      case 'text': {
        const logprobs = this.#logprobs.splice(0).slice(0, MAX_LOGPROBS);
        return { k: 'text', text: part.text, tokens, ...(logprobs.length > 0 && { logprobs }) };
      }
      case 'reasoning':
        return { k: 'reasoning', text: part.text, tokens };
      case 'call':
        this.#callIndex += 1;
        return {
          k: 'tool',
          index: this.#callIndex,
          id: `call_${randomBytes(12).toString('hex')}`,
          name: part.name,
          text: opened ?? '',
          tokens,
        };
      case 'arguments':
        return { k: 'tool', index: this.#callIndex, text: part.text, tokens };
    }
  }

  end(why: TaskEnd, cause?: unknown): void {
    this.#options.constraint?.close();
    if (why !== 'cancelled' && why !== 'failed' && this.#stops.found === undefined) {
      this.#read(this.#reader.push(this.#text.end()));
      this.#read(this.#reader.end());
      const rest = this.#stops.end();
      if (rest !== '') this.#parts.push({ k: 'text', text: rest });
    }
    this.#send(true);
    const finish = this.#finishOf(why);
    const about = cause instanceof GrammarError ? 'schema' : undefined;
    this.#options.sink.end(finish, this.usage, { stopSequence: this.#stops.found, about });
    this.#options.onEnd(
      finish === 'error' && about === undefined
        ? (cause ?? new Error('the model computed logits that are not finite numbers'))
        : undefined,
    );
  }

  get usage(): Usage {
    return {
      promptTokens: this.#options.prompt.length,
      cachedTokens: Math.min(this.#options.cachedTokens(), this.#options.prompt.length),
      completionTokens: this.#completionTokens,
      ...(this.#options.model.format.reasons && {
        reasoningTokens: this.#reasoningTokens,
      }),
    };
  }

  #finishOf(why: TaskEnd): Finish {
    if (why === 'cancelled') return 'cancelled';
    if (why === 'failed' || this.#failed) return 'error';
    if (why === 'length') return 'length';
    return this.#reader.calls > 0 ? 'tool_calls' : 'stop';
  }
}

const readerOf = ({ model, chat, thinksFirst }: GenerationOptions): AnswerReader =>
  model.format.reader({
    tools: chat.tool_choice === 'none' ? [] : (chat.tools ?? []),
    continues: chat.continue_final_message === true,
    thinksFirst,
  });
