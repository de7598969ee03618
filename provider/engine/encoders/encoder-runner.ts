import type { Finish, Slot, SlotState } from '#bus-schemas';
import { messageOf } from '#bus-schemas/message-of.ts';
import { errorPlace } from '../../error-place.ts';
import type { EncoderModel } from '../../models/encoders/encoder-model.ts';
import { countedTokens, type EncoderInput } from '../../models/encoders/encoder-tokenizer.ts';
import type { Backend } from '../decoders/decoder.ts';
import { type EncodingWork, RequestRefused, type Sequence, type Sink } from '../engine.ts';
import { type Guard, loadLimitMs, stepLimitMs, unguarded } from '../guarded-work.ts';
import type { Movable, Stay } from '../residency/residency.ts';
import { RETRY_MS } from '../residency/residency-state.ts';
import type { RunnerLog } from '../runner-log.ts';
import { type Encoder, PASS_TOKENS } from './encoder.ts';
import { readInputs } from './encoder-inputs.ts';
import { encoderBytes } from './encoder-memory.ts';
import { EncodingRun } from './encoding-run.ts';
import { loadEncoder } from './load-encoder.ts';
import { ResultWriter } from './result-writer.ts';

interface EncoderRunnerOptions {
  readonly model: EncoderModel;
  /** Runs the encoders that are decoders. */
  readonly backend: Backend;
  readonly maxConcurrency: number;
  /** Claims the model in memory for a request. */
  readonly enter: (claim: { withinMs: number; isOwners: boolean }) => Stay;
  readonly onChange: () => void;
  readonly log: RunnerLog;
  readonly guard?: Guard | undefined;
  readonly clock: () => number;
}

const WAITING_PER_SEAT = 4;
/** Announced until the model has been loaded, in tokens per second. */
const EXPECTED_TPS = 200;
/** A result follows from its text at once, so this only keeps routing from waiting for it. */
const RESULTS_PER_SECOND = 1_000;
const EXPECTED_LOAD_MS = 2_000;
/** Tokens that are admitted at the same time: an encoder keeps nothing of a text. */
const MOST_TOKENS = 100_000_000;
const BYTES_PER_MB = 1e6;

/**
 * One encoder on this machine. BERT computes on the processor, whatever the backend of the decoders
 * is, and a decoder that computes embeddings on that backend. The residency of the engine decides
 * when it is loaded and unloaded.
 */
export class EncoderRunner implements Movable, AsyncDisposable {
  readonly build: string;
  readonly bytes: number;
  readonly #options: EncoderRunnerOptions;
  #state: SlotState = 'cold';
  #encoder: Encoder | undefined;
  #writer: ResultWriter | undefined;
  #loading: Promise<void> | undefined;
  #loadMs = EXPECTED_LOAD_MS;
  #prefillTps = EXPECTED_TPS;
  #requests = 0;

  constructor(options: EncoderRunnerOptions) {
    const { model, backend } = options;
    this.#options = options;
    this.build = model.build;
    this.bytes = encoderBytes(model, backend);
  }

  slot(): Slot {
    const { model, maxConcurrency } = this.#options;
    return {
      build: this.build,
      state: this.#state,
      contextTokens: model.contextTokens,
      running: Math.min(this.#requests, maxConcurrency),
      waiting: Math.max(0, this.#requests - maxConcurrency),
      maxConcurrency,
      freeTokens: MOST_TOKENS,
      decodeTps: RESULTS_PER_SECOND,
      prefillTps: this.#prefillTps,
      loadMs: Math.round(this.#loadMs),
      memoryMb: Math.round(this.bytes / BYTES_PER_MB),
      traits: [model.task],
    };
  }

  /** Throws RequestRefused. The texts are read, and the model is awaited, after this returns. */
  encode(work: EncodingWork, sink: Sink): Sequence {
    const { model, maxConcurrency, enter } = this.#options;
    const { isOwners = false, firstContentMs = Number.POSITIVE_INFINITY } = work;
    if (work.task.k !== model.task)
      throw new RequestRefused('invalid_request', {
        detail: `${this.build} does not compute ${work.task.k}.`,
      });
    if (!isOwners && this.#requests >= maxConcurrency * (1 + WAITING_PER_SEAT))
      throw new RequestRefused('queue_full');
    const stay = enter({ withinMs: firstContentMs, isOwners });
    const run = new EncodingRun(() => stay.leave());
    this.#requests += 1;
    void this.#run(run, { work, sink, stay }).finally(() => {
      stay.leave();
      this.#requests -= 1;
      this.#options.onChange();
    });
    this.#options.onChange();
    return run;
  }

  async #run(
    run: EncodingRun,
    { work, sink, stay }: { work: EncodingWork; sink: Sink; stay: Stay },
  ): Promise<void> {
    const { model } = this.#options;
    let promptTokens = 0;
    let made = 0;
    const end = (finish: Finish) =>
      sink.end(finish, { promptTokens, cachedTokens: 0, completionTokens: made });
    try {
      const inputs = await readInputs(work, model);
      promptTokens = inputs.reduce((sum, input) => sum + countedTokens(input), 0);
      const entry = await stay.entry;
      if (run.isCancelled) return end('cancelled');
      run.begin();
      if (entry === 'late') return sink.refuse(new RequestRefused('deadline_unreachable'));
      if (entry !== 'admitted') return end('error');
      sink.begun?.({ promptTokens, cachedTokens: 0 });
      for (const group of passesOf(inputs)) {
        await run.mayGoOn();
        if (run.isCancelled) return end('cancelled');
        for (const text of await this.#pass(group, work.task)) {
          made += 1;
          sink.delta({ k: 'text', text, tokens: 1 });
        }
      }
      end('stop');
    } catch (error) {
      if (error instanceof RequestRefused) return sink.refuse(error);
      this.#options.log.error({ model: this.build, err: errorPlace(error) }, 'an encoding failed');
      end('error');
    }
  }

  async #pass(group: readonly EncoderInput[], task: EncodingWork['task']): Promise<string[]> {
    const { guard = unguarded, clock } = this.#options;
    const [encoder, writer] = [this.#encoder, this.#writer];
    if (encoder === undefined || writer === undefined) throw new Error('the model is not loaded');
    const tokens = group.reduce((sum, input) => sum + input.tokens.length, 0);
    const speeds = { prefillTps: this.#prefillTps, decodeTps: RESULTS_PER_SECOND };
    const limitMs = stepLimitMs(speeds, tokens * this.#requests);
    const began = clock();
    const states = await guard({ kind: 'step', limitMs }, () => encoder.pass(group));
    // Waiting for the passes of other requests is part of the time, so the speed is never too high.
    this.#prefillTps = (3 * this.#prefillTps + (1_000 * tokens) / Math.max(1, clock() - began)) / 4;
    return writer.lines(group, { states, vectorsPer: encoder.vectorsPer }, task);
  }

  /** Returns false if the load failed. */
  async load(): Promise<boolean> {
    this.#loading = this.#loadNow();
    await this.#loading;
    return this.#encoder !== undefined;
  }

  async #loadNow(): Promise<void> {
    const { model, backend, log, clock, guard = unguarded } = this.#options;
    this.#set('loading');
    const began = clock();
    try {
      const limitMs = loadLimitMs(model.weightBytes);
      const encoder = await guard({ kind: 'load', limitMs }, async () => {
        const loaded = await loadEncoder(model, backend);
        this.#prefillTps = await speedOf(loaded, model, clock);
        this.#writer = await ResultWriter.open(model);
        return loaded;
      });
      this.#encoder = encoder;
      this.#loadMs = clock() - began;
      log.info(
        {
          model: this.build,
          engine: encoder.name,
          ms: Math.round(this.#loadMs),
          memoryMb: Math.round(this.bytes / BYTES_PER_MB),
          prefillTps: Math.round(this.#prefillTps),
        },
        'a model was loaded',
      );
      this.#set('resident');
    } catch (error) {
      log.error({ model: this.build, err: messageOf(error) }, 'a model cannot be loaded');
      this.#set('failed');
      setTimeout(() => this.#state === 'failed' && this.#set('cold'), RETRY_MS).unref();
    }
  }

  /** Call it only while no request has entered. */
  async unload(): Promise<void> {
    const encoder = this.#encoder;
    this.#encoder = undefined;
    this.#writer = undefined;
    if (encoder === undefined) return;
    this.#set('cold');
    await encoder[Symbol.asyncDispose]();
  }

  #set(state: SlotState): void {
    this.#state = state;
    this.#options.onChange();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#loading;
    await this.#encoder?.[Symbol.asyncDispose]();
    this.#encoder = undefined;
  }
}

/** Groups of inputs that are computed together, because that reads the weights once for all. */
function* passesOf(inputs: readonly EncoderInput[]): Generator<EncoderInput[]> {
  let group: EncoderInput[] = [];
  let tokens = 0;
  for (const input of inputs) {
    if (group.length > 0 && tokens + input.tokens.length > PASS_TOKENS) {
      yield group;
      [group, tokens] = [[], 0];
    }
    group.push(input);
    tokens += input.tokens.length;
  }
  yield group;
}

/** Tokens per second of a text of the usual length. */
async function speedOf(
  encoder: Encoder,
  model: EncoderModel,
  clock: () => number,
): Promise<number> {
  const tokens = new Int32Array(Math.min(TRIAL_TOKENS, model.contextTokens));
  const input = { tokens, first: tokens.length };
  await encoder.pass([input]);
  const began = clock();
  await encoder.pass([input]);
  return (1_000 * tokens.length) / Math.max(1, clock() - began);
}

const TRIAL_TOKENS = 64;
