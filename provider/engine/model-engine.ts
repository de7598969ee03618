import { hex, type Machine, type Slot, type WeightsDigest } from '#bus-schemas';
import type { EncoderModel } from '../models/encoders/encoder-model.ts';
import { withoutHead } from '../models/head-weights.ts';
import type { Model } from '../models/model.ts';
import { ModelError } from '../models/model-error.ts';
import type { Backend } from './decoders/decoder.ts';
import { encodersThatFit } from './encoders/encoder-memory.ts';
import { EncoderRunner } from './encoders/encoder-runner.ts';
import {
  type EncodingWork,
  type Engine,
  type GenerationRequest,
  MAX_OWN_MODELS,
  type ModelMemory,
  RequestRefused,
  type Sequence,
  type Sink,
} from './engine.ts';
import type { Guard } from './guarded-work.ts';
import { type Measurement, speedsOf } from './measured-speeds.ts';
import { ModelRunner } from './model-runner.ts';
import { expectedLoadMs, expectedSpeeds } from './residency/expected-figures.ts';
import { cacheShares, modelsThatFit } from './residency/memory-plan.ts';
import { Residency } from './residency/residency.ts';
import type { RunnerLog } from './runner-log.ts';
import { type DraftingModel, withDrafter } from './speculation/open-draft-models.ts';
import { HeldPrefixes } from './stored/held-prefixes.ts';
import { modelStore } from './stored/model-store.ts';
import type { PrefixStore, PrefixStoreFigures } from './stored/prefix-store.ts';

interface EnginePrefixes {
  readonly store: PrefixStore;
  readonly held: HeldPrefixes;
  /** Version of this program. */
  readonly version: string;
}

export interface ModelEngineOptions {
  readonly backend: Backend;
  readonly models: readonly Model[];
  /** Models for embeddings and reranking, which fit into the memory beside one another. */
  readonly encoders?: readonly EncoderModel[];
  readonly machine: Machine;
  /** Memory that models and their caches may use together, in bytes. */
  readonly memoryBytes: number;
  readonly maxConcurrency: number;
  /** A model without requests for this time, in milliseconds, is unloaded; 0 keeps it in memory. */
  readonly idleMs: number;
  readonly cacheIdleMs?: number;
  /** False if no tokens are drafted. */
  readonly drafts?: boolean;
  /** Models that may draft the answers of a model that is added later. */
  readonly drafters?: readonly DraftingModel[];
  /** Where prefixes of prompts outlive the process. The engine disposes of it. */
  readonly prefixes?: EnginePrefixes;
  /** Results of earlier benchmarks; those of these models on this backend are announced. */
  readonly measured?: readonly Measurement[];
  readonly log: RunnerLog;
  /** Watches the time of the engine's work; by default nothing does. */
  readonly guard?: Guard;
  readonly clock?: () => number;
}

/**
 * The announced wait for memory is rounded up to this many milliseconds: each change of a slot is a
 * message to the routers.
 */
const WAIT_STEP_MS = 5_000;

/**
 * Serves real models. Each has its own runner; all share one backend and the memory, which the
 * residency divides among them.
 */
export class ModelEngine implements Engine {
  readonly name: Engine['name'];
  readonly machine: Machine;
  readonly #options: ModelEngineOptions;
  readonly #runners: Map<string, ModelRunner>;
  readonly #residency: Residency;
  readonly #encoders = new Map<string, EncoderRunner>();
  readonly #models: Model[];
  readonly #encoderModels: EncoderModel[] = [];
  readonly #clock: () => number;
  readonly #held: HeldPrefixes;
  #listeners: (() => void)[] = [];

  constructor(options: ModelEngineOptions) {
    const { backend, machine, memoryBytes, idleMs } = options;
    const models = options.models.map((model) => withUsedParts(model, options));
    this.name = backend.name;
    this.machine = machine;
    this.#options = options;
    this.#held = options.prefixes?.held ?? new HeldPrefixes();
    this.#models = models;
    this.#clock = options.clock ?? (() => performance.now());
    const { leftBytes } = encodersThatFit(options.encoders ?? [], { backend, memoryBytes });
    const shares = cacheShares(models, { backend, memoryBytes: leftBytes });
    this.#runners = new Map(
      models.map((model) => [model.build, this.#runnerOf(model, shares.get(model.build) ?? 0)]),
    );
    this.#residency = new Residency({
      models: [...this.#runners.values()],
      memoryBytes,
      idleMs,
      clock: this.#clock,
    });
    for (const encoder of options.encoders ?? []) this.addEncoder(encoder);
  }

  get memory(): ModelMemory {
    const { memoryBytes } = this.#options;
    return {
      totalBytes: memoryBytes,
      byBuild: Object.fromEntries(
        [...this.#runners, ...this.#encoders].map(([build, { bytes }]) => [
          build,
          Math.min(memoryBytes, bytes),
        ]),
      ),
    };
  }

  /** Serves a model for embeddings or reranking, without loading it. Throws ModelError if it does not fit. */
  addEncoder(model: EncoderModel): void {
    if (this.#encoders.has(model.build)) return;
    this.#checkCount();
    const { backend, memoryBytes, maxConcurrency, log, guard } = this.#options;
    const runner = new EncoderRunner({
      model,
      backend,
      maxConcurrency,
      enter: (claim) => this.#residency.enter(model.build, claim),
      onChange: () => this.#changed(),
      log,
      guard,
      clock: this.#clock,
    });
    const [refused] = encodersThatFit([model], { backend, memoryBytes }).refused;
    if (refused !== undefined) throw refused.error;
    this.#encoderModels.push(model);
    this.#encoders.set(model.build, runner);
    this.#residency.add(runner);
    this.#changed();
  }

  #checkCount(): void {
    if (this.#models.length + this.#encoders.size >= MAX_OWN_MODELS)
      throw new ModelError('too_many', `a machine has at most ${MAX_OWN_MODELS} models`);
  }

  /** Serves a further model, without loading it. Throws ModelError if it does not fit. */
  addModel(added: Model): void {
    if (this.#runners.has(added.build)) return;
    this.#checkCount();
    const { backend, drafters = [] } = this.#options;
    const { leftBytes: memoryBytes } = encodersThatFit(this.#encoderModels, {
      backend,
      memoryBytes: this.#options.memoryBytes,
    });
    const drafted = withDrafter(withUsedParts(added, this.#options), drafters);
    const fit = modelsThatFit([drafted], { backend, memoryBytes });
    const [model] = fit.fitting;
    if (model === undefined) throw fit.refused[0]?.error;
    const shares = cacheShares([...this.#models, model], { backend, memoryBytes });
    const runner = this.#runnerOf(model, shares.get(model.build) ?? 0);
    this.#models.push(model);
    this.#runners.set(model.build, runner);
    this.#residency.add(runner);
    this.#changed();
  }

  #runnerOf(model: Model, cacheBytes: number): ModelRunner {
    const {
      backend,
      machine,
      measured = [],
      maxConcurrency,
      cacheIdleMs,
      drafts,
      prefixes,
      log,
      guard,
    } = this.#options;
    const { build } = model;
    const speeds = speedsOf(measured, { build, digest: hex(model.digest), engine: backend.name });
    return new ModelRunner({
      model,
      backend,
      cacheBytes,
      maxConcurrency,
      clock: this.#clock,
      onChange: () => this.#changed(),
      enter: (claim) => this.#residency.enter(build, claim),
      onFailed: () => this.#residency.failed(build),
      expected: {
        ...expectedSpeeds(model, machine.bandwidthGbps),
        loadMs: expectedLoadMs(model),
      },
      log,
      held: this.#held,
      ...(prefixes && { store: modelStore(prefixes.store, { ...prefixes, model, backend }) }),
      ...(speeds !== undefined && { measuredSpeeds: speeds }),
      ...(cacheIdleMs !== undefined && { cacheIdleMs }),
      ...(drafts !== undefined && { drafts }),
      ...(guard !== undefined && { guard }),
    });
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }

  get storedPrefixes(): PrefixStoreFigures | undefined {
    return this.#options.prefixes?.store.figures;
  }

  get heldPrefixes(): readonly string[] {
    return this.#held.tags;
  }

  slots(): Slot[] {
    return [...this.#runners.values(), ...this.#encoders.values()].map((runner) => {
      const slot = runner.slot();
      if (slot.state !== 'cold') return slot;
      const waitMs = this.#residency.waitForRoomMs(slot.build);
      const roundedMs = Math.ceil(waitMs / WAIT_STEP_MS) * WAIT_STEP_MS;
      return { ...slot, loadMs: slot.loadMs + roundedMs };
    });
  }

  weights(): WeightsDigest[] {
    return [...this.#models, ...this.#encoderModels].map(({ build, digest }) => ({
      build,
      digest,
    }));
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  load(build: string): void {
    this.#residency.want(build, 'router');
  }

  switchTo(build: string): void {
    this.#residency.want(build, 'owner');
  }

  emptyCaches(): void {
    for (const runner of this.#runners.values()) runner.emptyCaches();
  }

  unload(build: string): void {
    this.#residency.unload(build);
  }

  /** Loads the models that fit beside one another before the first request arrives. */
  loadAll(): Promise<void> {
    return this.#residency.loadThoseThatFit();
  }

  encode(work: EncodingWork, sink: Sink): Sequence {
    const runner = this.#encoders.get(work.build);
    if (runner !== undefined) return runner.encode(work, sink);
    if (!this.#runners.has(work.build)) throw new Error(`this machine does not have ${work.build}`);
    throw new RequestRefused('invalid_request', { detail: `${work.build} only writes answers.` });
  }

  generate(request: GenerationRequest, sink: Sink): Sequence {
    if (this.#encoders.has(request.build))
      throw new RequestRefused('invalid_request', {
        detail: `${request.build} writes no answers.`,
      });
    const runner = this.#runners.get(request.build);
    if (runner === undefined) throw new Error(`this machine does not have ${request.build}`);
    return runner.generate(request, sink);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listeners = [];
    this.#residency[Symbol.dispose]();
    for (const runner of [...this.#runners.values(), ...this.#encoders.values()])
      await runner[Symbol.asyncDispose]();
    await this.#options.backend[Symbol.asyncDispose]();
    await this.#held.written();
    this.#options.prefixes?.store[Symbol.dispose]();
  }
}

/** A draft head or an assistant that nothing uses is not loaded, and has no cache. */
function withUsedParts(model: Model, { drafts = true }: ModelEngineOptions): Model {
  if (drafts) return model;
  const { assistant: _, ...alone } = withoutHead(model);
  return alone;
}
