import type { Machine, Slot } from '#bus-schemas';
import type { Engine, GenerationRequest, Sequence, Sink } from '../engine.ts';
import { RequestRefused } from '../engine.ts';
import type { RunnerLog } from '../runner-log.ts';
import type { ModelQuery, ServedModel } from './served-models.ts';
import type { UpstreamClient } from './upstream-client.ts';
import { UpstreamError } from './upstream-error.ts';
import { upstreamRequest } from './upstream-request.ts';
import { type AnswerTimes, UpstreamSequence } from './upstream-sequence.ts';

export interface UpstreamEngineOptions {
  readonly client: UpstreamClient;
  readonly query: ModelQuery;
  readonly models: readonly ServedModel[];
  readonly machine: Machine;
  readonly maxConcurrency: number;
  readonly log: RunnerLog;
  readonly clock?: () => number;
  /** Time between two queries of the server's models, in milliseconds. */
  readonly queryEveryMs?: number;
}

/**
 * Speeds in tokens per second that are announced until the first answer was measured: those of a
 * model of 8 billion parameters on a basic Mac.
 */
const UNMEASURED = { decodeTps: 10, prefillTps: 100 } as const;
/** Weight of the newest answer in the average speeds. */
const SMOOTHING = 0.2;
/** Shorter answers and prompts are not measured, because overheads decide about their times. */
const LEAST_TOKENS = 8;
const QUERY_EVERY_MS = 5_000;

interface State {
  model: ServedModel;
  running: number;
  decodeTps: number;
  prefillTps: number;
}

/**
 * Serves the models of another program's server, such as Ollama or vLLM. That program batches the
 * requests and has the models in its memory; this one checks requests, counts tokens, and announces
 * the models that the server lists at the moment.
 */
export class UpstreamEngine implements Engine {
  readonly name = 'external';
  readonly machine: Machine;
  readonly #options: UpstreamEngineOptions;
  readonly #clock: () => number;
  readonly #states = new Map<string, State>();
  readonly #sequences = new Set<Sequence>();
  #listeners: (() => void)[] = [];
  #fault: string | undefined;
  #isClosed = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: UpstreamEngineOptions) {
    this.#options = options;
    this.machine = options.machine;
    this.#clock = options.clock ?? (() => performance.now());
    this.#take(options.models);
    this.#queryLater();
  }

  slots(): Slot[] {
    return this.#states
      .values()
      .map(({ model, running, decodeTps, prefillTps }): Slot => {
        const seats = this.#seatsOf(model);
        return {
          build: model.build,
          state: this.#fault !== undefined ? 'failed' : model.isLoaded ? 'resident' : 'cold',
          contextTokens: model.contextTokens,
          running,
          waiting: 0,
          maxConcurrency: seats,
          freeTokens: Math.max(0, seats - running) * model.contextTokens,
          decodeTps,
          prefillTps,
          loadMs: 0,
          traits: [...model.traits],
        };
      })
      .toArray();
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Servers load a model for its first request, so a request for one token is sent. */
  load(build: string): void {
    const state = this.#states.get(build);
    if (state === undefined || state.model.isLoaded || state.running > 0) return;
    const ended = () => void this.#ask();
    this.generate(
      {
        build,
        chat: { messages: [{ role: 'user', content: 'Hello' }], max_tokens: 1 },
        maxTokens: 1,
      },
      { delta: () => {}, end: ended, refuse: ended },
    );
  }

  generate({ build, chat, maxTokens, answerTokens }: GenerationRequest, sink: Sink): Sequence {
    const state = this.#states.get(build);
    if (state === undefined) throw new RequestRefused('model_not_loaded');
    if (answerTokens !== undefined) throw new RequestRefused('cannot_continue');
    const { model } = state;
    if (state.running >= this.#seatsOf(model)) throw new RequestRefused('queue_full');
    const { client } = this.#options;
    const body = upstreamRequest(chat, { model: model.id, maxTokens });
    state.running += 1;
    const sequence = new UpstreamSequence({
      client,
      model,
      chat,
      body,
      maxTokens,
      sink,
      clock: this.#clock,
      onEnd: (times, fault) => {
        state.running -= 1;
        this.#sequences.delete(sequence);
        measure(state, times);
        if (fault !== undefined) void this.#ask();
        this.#changed();
      },
    });
    this.#sequences.add(sequence);
    this.#changed();
    return sequence;
  }

  #seatsOf({ seats }: ServedModel): number {
    return Math.min(this.#options.maxConcurrency, seats ?? Number.POSITIVE_INFINITY);
  }

  #queryLater(): void {
    this.#timer = setTimeout(async () => {
      await this.#ask();
      if (!this.#isClosed) this.#queryLater();
    }, this.#options.queryEveryMs ?? QUERY_EVERY_MS).unref();
  }

  async #ask(): Promise<void> {
    try {
      const models = await this.#options.query.models();
      if (this.#fault !== undefined) this.#options.log.info({}, 'the model server answers again');
      this.#fault = undefined;
      this.#take(models);
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      if (this.#fault !== error.message)
        this.#options.log.error(
          { err: error.message },
          'the model server does not answer; its models are not offered until it does',
        );
      this.#fault = error.message;
      this.#changed();
    }
  }

  #take(models: readonly ServedModel[]): void {
    const before = JSON.stringify(this.slots());
    const listed = new Set(models.map(({ build }) => build));
    for (const build of this.#states.keys()) if (!listed.has(build)) this.#states.delete(build);
    for (const model of models) {
      const state = this.#states.get(model.build);
      if (state === undefined) this.#states.set(model.build, { model, running: 0, ...UNMEASURED });
      else state.model = model;
    }
    if (JSON.stringify(this.slots()) !== before) this.#changed();
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#listeners = [];
    clearTimeout(this.#timer);
    for (const sequence of this.#sequences) sequence.cancel();
  }
}

function measure(state: State, { promptTokens, promptMs, moreTokens, moreMs }: AnswerTimes): void {
  const smooth = (before: number, now: number, unmeasured: number) =>
    before === unmeasured ? now : before + SMOOTHING * (now - before);
  if (promptTokens >= LEAST_TOKENS && promptMs > 0)
    state.prefillTps = smooth(
      state.prefillTps,
      (1_000 * promptTokens) / promptMs,
      UNMEASURED.prefillTps,
    );
  if (moreTokens >= LEAST_TOKENS && moreMs > 0)
    state.decodeTps = smooth(state.decodeTps, (1_000 * moreTokens) / moreMs, UNMEASURED.decodeTps);
}
