import type { Finish, InferenceRequest, Slot, SlotState } from '#bus-schemas';
import { messageOf } from '#bus-schemas/message-of.ts';
import { UnusableImage } from '#http-api/core/images/inline-image.ts';
import { errorPlace } from '../error-place.ts';
import { mostKeyBytes, PAGE_TOKENS, stateBytes } from './decoders/decoder.ts';
import { type GenerationRequest, RequestRefused, type Sequence, type Sink } from './engine.ts';
import { Generation, tokensToRead } from './generation.ts';
import { type LoadedModel, type LoadSettings, loadModel } from './loaded-model.ts';
import { PendingSequence } from './pending-sequence.ts';
import { readPrompt, type UnreadImage } from './prompt-reader.ts';
import { leastBytes, stateSlots, tokenBytes, weightBytesOf } from './residency/memory-plan.ts';
import type { Movable, Stay } from './residency/residency.ts';
import { RETRY_MS } from './residency/residency-state.ts';
import { type Constraint, GrammarError, Grammars } from './sampling/grammars.ts';
import { requiredForm } from './sampling/required-form.ts';
import { pageDigests } from './scheduling/page-pool.ts';
import type { Speeds } from './scheduling/speeds.ts';
import type { Running } from './scheduling/task.ts';
import type { HeldPrefixes } from './stored/held-prefixes.ts';
import { whyNoTower } from './vision/native-tower.ts';

interface RunnerOptions extends LoadSettings {
  readonly cacheBytes: number;
  readonly maxConcurrency: number;
  /** Claims the model in memory for a request. */
  readonly enter: (claim: { withinMs: number; isOwners: boolean }) => Stay;
  /** Called after the model failed while it answered; `unload` waits until its memory is free. */
  readonly onFailed: () => void;
  /** Announced until the model is loaded for the first time. */
  readonly expected: Speeds & { readonly loadMs: number };
  readonly held: HeldPrefixes;
  readonly onChange: () => void;
}

/**
 * Context in tokens for which every concurrent request has room. Longer ones share the remaining
 * room.
 */
const USUAL_TOKENS = 8_192;
const WAITING_PER_SEAT = 4;

/**
 * One model on this machine. The residency of the engine decides when it is loaded and unloaded.
 *
 *   cold → loading → resident → cold
 *             ↘ failed → cold (after RETRY_MS)
 *
 * Invariant: every sequence that was begun ends exactly once, even if the decoder fails.
 */
export class ModelRunner implements Movable, AsyncDisposable {
  readonly build: string;
  readonly bytes: number;
  readonly #options: RunnerOptions;
  readonly #grammars: Grammars;
  readonly #pages: number;
  /** 0 if the model has no states. */
  readonly #states: number;
  /** Number of requests that are answered at once. */
  readonly #seats: number;
  /** False for a computer that cannot compute images, or is too slow for them, from the first load on. */
  #readsImages: boolean;
  #state: SlotState = 'cold';
  #loading: Promise<void> | undefined;
  #loaded: LoadedModel | undefined;
  /** Frees the memory of a decoder that failed. */
  #failing: Promise<void> | undefined;
  #loadMs: number;
  #lastSpeeds: Speeds | undefined;
  #sequences = 0;
  #begun = 0;

  constructor(options: RunnerOptions) {
    const { model, cacheBytes, maxConcurrency, backend } = options;
    this.#options = options;
    this.build = model.build;
    this.#loadMs = options.expected.loadMs;
    this.#grammars = new Grammars(model.tokenizer.vocabulary, model.endTokens);
    const { contextTokens } = model.shape;
    const wanted = Math.max(contextTokens, maxConcurrency * Math.min(contextTokens, USUAL_TOKENS));
    const perToken = tokenBytes(model, backend);
    const { slots, seats } = stateSlots(model, {
      cacheBytes,
      maxConcurrency,
      maxBufferBytes: backend.maxBufferBytes,
    });
    this.#states = slots;
    this.#seats = seats;
    this.#readsImages = model.vision !== undefined && whyNoTower(model.vision) === undefined;
    const ofStates = this.#states * stateBytes(model);
    const largestKey = Math.max(
      ...[model, model.drafter].map((each) => (each ? mostKeyBytes(each, backend) : 0)),
    );
    const ofOneBuffer = backend.maxBufferBytes / largestKey;
    this.#pages = Math.floor(
      Math.min(wanted, Math.max(0, cacheBytes - ofStates) / perToken, ofOneBuffer) / PAGE_TOKENS,
    );
    this.bytes = weightBytesOf(model) + ofStates + this.#pages * PAGE_TOKENS * perToken;
  }

  slot(): Slot {
    const { model, backend, expected, measuredSpeeds } = this.#options;
    const scheduler = this.#loaded?.scheduler;
    const { prefillTps, decodeTps } =
      scheduler?.speeds ?? this.#lastSpeeds ?? measuredSpeeds ?? expected;
    const running = scheduler?.running ?? 0;
    return {
      build: model.build,
      state: this.#state,
      contextTokens: Math.min(model.shape.contextTokens, this.#pages * PAGE_TOKENS),
      running,
      waiting: Math.max(0, this.#sequences - running),
      maxConcurrency: this.#seats,
      freeTokens: scheduler?.freeTokens ?? this.#pages * PAGE_TOKENS,
      decodeTps,
      prefillTps,
      loadMs: Math.round(this.#loadMs),
      memoryMb: megabytes(leastBytes(model, backend)),
      traits: model.traits.filter((trait) => trait !== 'vision' || this.#readsImages),
    };
  }

  /** Returns false if the load failed. */
  async load(): Promise<boolean> {
    this.#loading = this.#loadNow();
    await this.#loading;
    return this.#loaded !== undefined;
  }

  emptyCaches(): void {
    void this.#loaded?.scheduler.trim(0);
  }

  /** Call it only while no request has entered. */
  async unload(): Promise<void> {
    await this.#failing;
    const loaded = this.#loaded;
    if (loaded === undefined) return;
    this.#lastSpeeds = loaded.scheduler.speeds;
    this.#loaded = undefined;
    this.#set('cold');
    await this.#dispose(loaded);
  }

  /** Throws RequestRefused. The request waits until the model is in memory. */
  generate(
    {
      chat,
      maxTokens,
      cacheScope,
      prefixTag,
      firstContentMs = Number.POSITIVE_INFINITY,
      isOwners = false,
      reportsIds,
      answerTokens = [],
    }: GenerationRequest,
    sink: Sink,
  ): Sequence {
    const { model } = this.#options;
    if (!isOwners && this.#sequences >= this.#seats * (1 + WAITING_PER_SEAT))
      throw new RequestRefused('queue_full');
    const { prompt, images, thinksFirst } = readPrompt(chat, model, this.#readsImages);
    const remaining =
      Math.min(model.shape.contextTokens, this.#pages * PAGE_TOKENS) - prompt.length;
    if (remaining <= 0) throw new RequestRefused('request_exceeds_context');
    // They come from another machine, which may have made them up.
    if (answerTokens.some((token) => token >= model.shape.vocabulary))
      throw new RequestRefused('cannot_continue');
    const scope = cacheScope ?? `alone ${this.#begun + 1}`;
    const waitMs =
      (this.#loaded?.scheduler.leastWaitMs({
        prompt: tokensToRead(prompt, answerTokens),
        scope,
        images,
      }) ?? 0) + (this.#loaded?.images?.leastWaitMs(images, scope) ?? 0);
    if (waitMs > firstContentMs) throw new RequestRefused('deadline_unreachable');
    const stay = this.#options.enter({ withinMs: firstContentMs, isOwners });
    const pending = new PendingSequence(stay);
    this.#sequences += 1;
    this.#begun += 1;
    if (cacheScope !== undefined && prefixTag !== undefined)
      this.#noteHeld(prefixTag, pageDigests({ prompt, scope, images }));
    void this.#start(pending, {
      prompt,
      unread: images,
      thinksFirst,
      chat,
      sink,
      maxTokens: Math.min(maxTokens, remaining),
      answerTokens,
      reportsIds,
      scope,
      isStorable: cacheScope !== undefined,
      isUrgent: isOwners,
      stay,
    });
    this.#options.onChange();
    return pending;
  }

  async #start(pending: PendingSequence, { stay, unread, ...request }: Beginning): Promise<void> {
    const { model } = this.#options;
    const { sink } = request;
    const ended = (failure?: unknown) => {
      stay.leave();
      this.#ended(failure);
    };
    const end = (finish: Finish) => {
      const promptTokens = request.prompt.length;
      sink.end(finish, { promptTokens, cachedTokens: 0, completionTokens: 0 });
      ended();
    };
    const refuse = (refusal: RequestRefused) => {
      sink.refuse(refusal);
      ended();
    };
    let constraint: Constraint | undefined;
    try {
      const form = requiredForm(request.chat, model.format);
      const [entry, opened] = await Promise.all([stay.entry, form && this.#grammars.open(form)]);
      constraint = opened;
      const loaded = this.#loaded;
      if (pending.isCancelled || entry !== 'admitted' || loaded === undefined) {
        constraint?.close();
        if (pending.isCancelled) return end('cancelled');
        return entry === 'late' ? refuse(new RequestRefused('deadline_unreachable')) : end('error');
      }
      const images = await loaded.images?.read(unread, {
        scope: request.scope,
        isWanted: () => !pending.isCancelled && this.#loaded === loaded,
      });
      if (unread.length > 0 && images === undefined) {
        constraint?.close();
        return end(pending.isCancelled ? 'cancelled' : 'error');
      }
      let running: Running | undefined;
      const generation = new Generation({
        ...request,
        images,
        model,
        constraint,
        cachedTokens: () => running?.cachedTokens ?? 0,
        onEnd: ended,
      });
      const whole = generation.takeBeginning();
      if (whole !== undefined) return generation.end(whole);
      running = loaded.scheduler.submit(generation);
      pending.follow(running);
    } catch (error) {
      constraint?.close();
      if (error instanceof UnusableImage)
        return refuse(
          new RequestRefused('invalid_request', { detail: error.message, cause: error }),
        );
      if (error instanceof GrammarError)
        return refuse(
          new RequestRefused('invalid_request', {
            about: 'schema',
            detail: error.message,
            cause: error,
          }),
        );
      this.#logFailure(error, 'a request could not be started');
      end('error');
    }
  }

  #noteHeld(tag: string, pages: readonly string[]): void {
    const last = pages.at(-1);
    if (last === undefined) return;
    this.#options.held.note(tag, {
      files: this.#options.store?.filesOf(pages) ?? [],
      isCached: () => this.#loaded?.scheduler.isCached(last) === true,
    });
  }

  #logFailure(error: unknown, message: string): void {
    this.#options.log.error({ model: this.#options.model.build, err: errorPlace(error) }, message);
  }

  #ended(failure?: unknown): void {
    if (failure !== undefined) this.#logFailure(failure, 'an answer failed');
    this.#sequences -= 1;
    this.#options.onChange();
  }

  async #loadNow(): Promise<void> {
    const { model, backend, log, clock } = this.#options;
    this.#set('loading');
    const began = clock();
    try {
      if (this.#pages === 0)
        throw new Error('the machine has no free memory for the cache of the model');
      const loaded = await loadModel({
        ...this.#options,
        pages: this.#pages,
        states: this.#states,
        seats: this.#seats,
        readsImages: this.#readsImages,
        onDraftFailure: (error, message) => this.#logFailure(error, message),
        onFailure: (error) => this.#failRunning(error),
      });
      this.#loaded = loaded;
      this.#readsImages = loaded.images !== undefined;
      this.#loadMs = clock() - began;
      log.info(
        {
          model: model.build,
          engine: backend.name,
          ms: Math.round(this.#loadMs),
          memoryMb: megabytes(loaded.memoryBytes),
          cacheLimitMb: megabytes(this.bytes - weightBytesOf(model)),
          ...loaded.speeds,
        },
        'a model was loaded',
      );
      this.#set('resident');
    } catch (error) {
      await this.#fail(error);
    }
  }

  /** The decoder failed while it answered. Every answer has ended. */
  #failRunning(error: unknown): void {
    this.#failing = this.#fail(error);
    this.#options.onFailed();
  }

  async #fail(error: unknown): Promise<void> {
    const { model, log } = this.#options;
    log.error(
      { model: model.build, err: messageOf(error) },
      'a model cannot be loaded, or failed while it ran',
    );
    const loaded = this.#loaded;
    this.#loaded = undefined;
    this.#set('failed');
    setTimeout(() => this.#state === 'failed' && this.#set('cold'), RETRY_MS).unref();
    if (loaded !== undefined) await this.#dispose(loaded);
  }

  /** Logs an error instead of throwing it: the callers do not wait, so it would end the process. */
  async #dispose(loaded: LoadedModel): Promise<void> {
    try {
      await loaded[Symbol.asyncDispose]();
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
    await this.#loading;
    await this.#loaded?.[Symbol.asyncDispose]();
    this.#loaded = undefined;
    await this.#grammars[Symbol.asyncDispose]();
  }
}

const megabytes = (bytes: number): number => Math.round(bytes / 1e6);

interface Beginning {
  readonly prompt: readonly number[];
  readonly unread: readonly UnreadImage[];
  readonly thinksFirst: boolean;
  readonly chat: InferenceRequest['chat'];
  readonly sink: Sink;
  readonly maxTokens: number;
  readonly answerTokens: readonly number[];
  readonly reportsIds: boolean | undefined;
  readonly scope: string;
  readonly isStorable: boolean;
  readonly isUrgent: boolean;
  readonly stay: Stay;
}
