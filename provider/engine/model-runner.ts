import type { Finish, InferenceRequest, Slot, SlotState } from '#bus-schemas';
import { messageOf } from '#bus-schemas/message-of.ts';
import { errorPlace } from '../error-place.ts';
import type { Model } from '../models/model.ts';
import { type Backend, type Decoder, kvBytesPerToken, PAGE_TOKENS } from './decoders/decoder.ts';
import { tryOut } from './decoders/try-out.ts';
import { type GenerationRequest, RequestRefused, type Sequence, type Sink } from './engine.ts';
import { Generation } from './generation.ts';
import { type Guard, loadLimitMs, unguarded } from './guarded-work.ts';
import { leastBytes } from './memory-fit.ts';
import { type Constraint, formatOf, GrammarError, Grammars } from './sampling/grammars.ts';
import { type Running, Scheduler, type Speeds } from './scheduling/scheduler.ts';

export interface RunnerLog {
  info(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

interface RunnerOptions {
  readonly model: Model;
  readonly backend: Backend;
  readonly cacheBytes: number;
  readonly maxConcurrency: number;
  readonly idleMs: number;
  /**
   * Cached prompt pages are freed after this time without use, in milliseconds; default 5 minutes.
   */
  readonly cacheIdleMs?: number;
  readonly onChange: () => void;
  readonly log: RunnerLog;
  readonly guard?: Guard;
  /** Announced after a load in place of the speeds of the short trial. */
  readonly measuredSpeeds?: Speeds;
  readonly clock: () => number;
}

/** Maximum number of tokens in one step: parts of prompts and one token of each answer. */
const STEP_TOKENS = 512;
/** Maximum time for which prompts may delay the next token of running answers, in milliseconds. */
const PREFILL_MS = 100;
/**
 * Context in tokens for which every concurrent request has room. Longer ones share the remaining
 * room.
 */
const USUAL_TOKENS = 8_192;
const WAITING_PER_SEAT = 4;
/** Time between a failure and the next attempt to load, in milliseconds. */
const RETRY_MS = 10_000;
/**
 * Time for which an unused conversation stays cached, in milliseconds: long enough to read an
 * answer and reply.
 */
const CACHE_IDLE_MS = 5 * 60_000;
/** Maximum time between two checks for memory that can be freed, in milliseconds. */
const TRIM_EVERY_MS = 30_000;
/**
 * Upper bound of characters per token on average. Longer texts are refused before they are
 * tokenized.
 */
const CHARACTERS_PER_TOKEN = 16;

/**
 * One model on this machine.
 *
 *   cold → loading → resident → cold (idle)
 *             ↘ failed → cold (after RETRY_MS) → loading (at the next request)
 *
 * Invariant: every sequence that was begun ends exactly once, even if the decoder fails.
 */
export class ModelRunner implements AsyncDisposable {
  readonly #options: RunnerOptions;
  readonly #grammars: Grammars;
  readonly #pages: number;
  #state: SlotState = 'cold';
  #loading: Promise<Loaded | undefined> | undefined;
  #loaded: Loaded | undefined;
  #failedAt = Number.NEGATIVE_INFINITY;
  #loadMs = 0;
  #sequences = 0;
  #begun = 0;
  #idle: NodeJS.Timeout | undefined;
  #unloadsWhenIdle = false;
  #closed = false;

  constructor(options: RunnerOptions) {
    const { model, cacheBytes, maxConcurrency, backend } = options;
    this.#options = options;
    this.#grammars = new Grammars(model.tokenizer.vocabulary, model.endTokens);
    const { contextTokens, layers } = model.shape;
    const wanted = Math.max(contextTokens, maxConcurrency * Math.min(contextTokens, USUAL_TOKENS));
    const perToken = kvBytesPerToken(model, backend);
    const ofOneBuffer = backend.maxBufferBytes / (perToken / layers.length / 2);
    this.#pages = Math.floor(Math.min(wanted, cacheBytes / perToken, ofOneBuffer) / PAGE_TOKENS);
  }

  slot(): Slot {
    const { model, backend, maxConcurrency } = this.#options;
    const scheduler = this.#loaded?.scheduler;
    const { prefillTps = 0, decodeTps = 0 } = scheduler?.speeds ?? {};
    const running = scheduler?.running ?? 0;
    return {
      build: model.build,
      state: this.#state,
      contextTokens: Math.min(model.shape.contextTokens, this.#pages * PAGE_TOKENS),
      running,
      waiting: Math.max(0, this.#sequences - running),
      maxConcurrency,
      freeTokens: scheduler?.freeTokens ?? this.#pages * PAGE_TOKENS,
      decodeTps,
      prefillTps,
      loadMs: Math.round(this.#loadMs),
      memoryMb: megabytes(leastBytes(model, backend)),
      traits: [...model.traits],
    };
  }

  /** Resolves when the model is in memory or its load has failed. */
  async load(): Promise<void> {
    await this.#ensureLoaded();
  }

  emptyCaches(): void {
    void this.#loaded?.scheduler.trim(0);
  }

  /** Unloads the model as soon as it has no requests. */
  unload(): void {
    this.#unloadsWhenIdle = this.#loaded !== undefined;
    void this.#unload();
  }

  /** Throws RequestRefused. Loads the model if it is not in memory. */
  generate(
    {
      chat,
      maxTokens,
      cacheScope,
      firstContentMs = Number.POSITIVE_INFINITY,
      isOwners = false,
    }: GenerationRequest,
    sink: Sink,
  ): Sequence {
    const { model, maxConcurrency } = this.#options;
    if (!isOwners && this.#sequences >= maxConcurrency * (1 + WAITING_PER_SEAT))
      throw new RequestRefused('queue_full');
    const { prompt, thinksFirst } = this.#read(chat);
    const remaining =
      Math.min(model.shape.contextTokens, this.#pages * PAGE_TOKENS) - prompt.length;
    if (remaining <= 0) throw new RequestRefused('request_exceeds_context');
    const scope = cacheScope ?? `alone ${this.#begun + 1}`;
    const waitMs = this.#loaded?.scheduler.leastWaitMs({ prompt, scope }) ?? 0;
    if (waitMs > firstContentMs) throw new RequestRefused('deadline_unreachable');
    const pending = new PendingSequence();
    this.#sequences += 1;
    this.#begun += 1;
    clearTimeout(this.#idle);
    const end = (finish: Finish) => {
      sink.end(finish, { promptTokens: prompt.length, cachedTokens: 0, completionTokens: 0 });
      this.#ended();
    };
    void this.#start(pending, {
      prompt,
      thinksFirst,
      chat,
      sink,
      maxTokens: Math.min(maxTokens, remaining),
      scope,
      isUrgent: isOwners,
      end,
    });
    this.#options.onChange();
    return pending;
  }

  async #start(pending: PendingSequence, { end, ...request }: Beginning): Promise<void> {
    const { model } = this.#options;
    let constraint: Constraint | undefined;
    try {
      const format = formatOf(request.chat, model.toolStyle);
      const [loaded, opened] = await Promise.all([
        this.#ensureLoaded(),
        format && this.#grammars.open(format),
      ]);
      constraint = opened;
      if (pending.isCancelled || loaded === undefined) {
        constraint?.close();
        return end(pending.isCancelled ? 'cancelled' : 'error');
      }
      let running: Running | undefined;
      const generation = new Generation({
        ...request,
        model,
        constraint,
        cachedTokens: () => running?.cachedTokens ?? 0,
        onEnd: (failure) => this.#ended(failure),
      });
      running = loaded.scheduler.submit(generation);
      pending.follow(running);
    } catch (error) {
      constraint?.close();
      if (error instanceof GrammarError) {
        request.sink.refuse(
          new RequestRefused('invalid_request', {
            about: 'schema',
            detail: error.message,
            cause: error,
          }),
        );
        return this.#ended();
      }
      this.#logFailure(error, 'a request could not be started');
      end('error');
    }
  }

  #read(chat: InferenceRequest['chat']): { prompt: number[]; thinksFirst: boolean } {
    const { tokenizer, template, shape } = this.#options.model;
    const refusing = <T>(read: () => T): T => {
      try {
        return read();
      } catch (cause) {
        throw new RequestRefused('invalid_request', { cause });
      }
    };
    const text = refusing(() => template.render(chat));
    if (text.length > shape.contextTokens * CHARACTERS_PER_TOKEN)
      throw new RequestRefused('request_exceeds_context');
    return {
      prompt: refusing(() => tokenizer.encode(text)),
      thinksFirst: /<think>\s*$/.test(text),
    };
  }

  #logFailure(error: unknown, message: string): void {
    this.#options.log.error({ model: this.#options.model.build, err: errorPlace(error) }, message);
  }

  #ended(failure?: unknown): void {
    if (failure !== undefined) this.#logFailure(failure, 'an answer failed');
    this.#sequences -= 1;
    const { idleMs, onChange } = this.#options;
    if (this.#unloadsWhenIdle) void this.#unload();
    else if (this.#sequences === 0 && idleMs > 0)
      this.#idle = setTimeout(() => void this.#unload(), idleMs).unref();
    onChange();
  }

  #ensureLoaded(): Promise<Loaded | undefined> {
    if (this.#loaded) return Promise.resolve(this.#loaded);
    if (this.#closed || this.#options.clock() - this.#failedAt < RETRY_MS)
      return Promise.resolve(undefined);
    this.#loading ??= this.#loadNow().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  async #loadNow(): Promise<Loaded | undefined> {
    const {
      model,
      backend,
      log,
      clock,
      maxConcurrency,
      cacheIdleMs = CACHE_IDLE_MS,
      guard = unguarded,
      measuredSpeeds,
    } = this.#options;
    this.#set('loading');
    const began = clock();
    try {
      if (this.#pages === 0)
        throw new Error('the machine has no free memory for the cache of the model');
      const { vocabulary } = model.shape;
      const { decoder, tried } = await guard(
        { kind: 'load', limitMs: loadLimitMs(model.weightBytes) },
        async () => {
          const loaded = await backend.load({ model, pages: this.#pages, maxTokens: STEP_TOKENS });
          return { decoder: loaded, tried: await tryOut(loaded, { vocabulary, clock }) };
        },
      );
      const speeds = measuredSpeeds ?? tried;
      const scheduler = new Scheduler({
        decoder,
        clock,
        pages: this.#pages,
        maxTokens: STEP_TOKENS,
        maxRunning: maxConcurrency,
        prefillMs: PREFILL_MS,
        speeds,
        guard,
        onFailure: (error) => void this.#fail(error),
      });
      const trimming = setInterval(
        () => void scheduler.trim(cacheIdleMs),
        Math.min(cacheIdleMs, TRIM_EVERY_MS),
      ).unref();
      this.#loaded = { decoder, scheduler, trimming };
      this.#loadMs = clock() - began;
      log.info(
        {
          model: model.build,
          engine: backend.name,
          ms: Math.round(this.#loadMs),
          memoryMb: megabytes(decoder.memoryBytes),
          cacheLimitMb: megabytes(this.#pages * PAGE_TOKENS * kvBytesPerToken(model, backend)),
          ...speeds,
        },
        'a model was loaded',
      );
      this.#set('resident');
    } catch (error) {
      await this.#fail(error);
    }
    return this.#loaded;
  }

  async #fail(error: unknown): Promise<void> {
    const { model, log, clock } = this.#options;
    log.error(
      { model: model.build, err: messageOf(error) },
      'a model cannot be loaded, or failed while it ran',
    );
    this.#failedAt = clock();
    const { decoder, trimming } = this.#loaded ?? {};
    clearInterval(trimming);
    this.#loaded = undefined;
    this.#set('failed');
    setTimeout(() => this.#state === 'failed' && this.#set('cold'), RETRY_MS).unref();
    if (decoder !== undefined) await this.#dispose(decoder);
  }

  async #unload(): Promise<void> {
    const loaded = this.#loaded;
    if (loaded === undefined || this.#sequences > 0) return;
    this.#unloadsWhenIdle = false;
    this.#loaded = undefined;
    clearInterval(loaded.trimming);
    this.#set('cold');
    await loaded.scheduler.close();
    await this.#dispose(loaded.decoder);
  }

  /** Logs an error instead of throwing it: the callers do not wait, so it would end the process. */
  async #dispose(decoder: Decoder): Promise<void> {
    try {
      await decoder[Symbol.asyncDispose]();
    } catch (error) {
      this.#options.log.error(
        { model: this.#options.model.build, err: messageOf(error) },
        'a model could not be unloaded',
      );
    }
  }

  #set(state: SlotState): void {
    this.#state = state;
    this.#options.onChange();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#idle);
    await this.#loading;
    clearInterval(this.#loaded?.trimming);
    await this.#loaded?.scheduler.close();
    await this.#loaded?.decoder[Symbol.asyncDispose]();
    this.#loaded = undefined;
    await this.#grammars[Symbol.asyncDispose]();
  }
}

const megabytes = (bytes: number): number => Math.round(bytes / 1e6);

interface Loaded {
  readonly decoder: Decoder;
  readonly scheduler: Scheduler;
  readonly trimming: NodeJS.Timeout;
}

interface Beginning {
  readonly prompt: readonly number[];
  readonly thinksFirst: boolean;
  readonly chat: InferenceRequest['chat'];
  readonly sink: Sink;
  readonly maxTokens: number;
  readonly scope: string;
  readonly isUrgent: boolean;
  readonly end: (finish: Finish) => void;
}

/** The caller's handle of a request. It stores pause and cancel until the model is loaded. */
class PendingSequence implements Sequence {
  #running: Running | undefined;
  #paused = false;
  isCancelled = false;

  follow(running: Running): void {
    this.#running = running;
    if (this.#paused) running.pause();
    if (this.isCancelled) running.cancel();
  }

  pause(): void {
    this.#paused = true;
    this.#running?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#running?.resume();
  }

  cancel(): void {
    this.isCancelled = true;
    this.#running?.cancel();
  }
}
