import { hex, type Machine, type Slot, type WeightsDigest } from '#bus-schemas';
import type { Model } from '../models/model.ts';
import type { Backend } from './decoders/decoder.ts';
import type { Engine, GenerationRequest, Sequence, Sink } from './engine.ts';
import type { Guard } from './guarded-work.ts';
import { type Measurement, speedsOf } from './measured-speeds.ts';
import { ModelRunner, type RunnerLog } from './model-runner.ts';

export interface ModelEngineOptions {
  readonly backend: Backend;
  readonly models: readonly Model[];
  readonly machine: Machine;
  /** Memory that models and their caches may use together, in bytes. */
  readonly memoryBytes: number;
  readonly maxConcurrency: number;
  /** A model without requests for this time, in milliseconds, is unloaded; 0 keeps it in memory. */
  readonly idleMs: number;
  readonly cacheIdleMs?: number;
  /** Results of earlier benchmarks; those of these models on this backend are announced. */
  readonly measured?: readonly Measurement[];
  readonly log: RunnerLog;
  /** Watches the time of the engine's work; by default nothing does. */
  readonly guard?: Guard;
  readonly clock?: () => number;
}

/** Serves real models. Each has its own runner; all share one backend. */
export class ModelEngine implements Engine {
  readonly name: Engine['name'];
  readonly machine: Machine;
  readonly #runners: ReadonlyMap<string, ModelRunner>;
  readonly #backend: Backend;
  readonly #models: readonly Model[];
  #listeners: (() => void)[] = [];

  constructor({
    backend,
    models,
    machine,
    memoryBytes,
    measured = [],
    clock = () => performance.now(),
    ...rest
  }: ModelEngineOptions) {
    this.name = backend.name;
    this.machine = machine;
    this.#backend = backend;
    this.#models = models;
    const weights = models.reduce((sum, { weightBytes }) => sum + weightBytes, 0);
    const cacheBytes = Math.max(0, memoryBytes - weights) / Math.max(1, models.length);
    const onChange = () => {
      for (const listener of this.#listeners) listener();
    };
    this.#runners = new Map(
      models.map((model) => {
        const { build } = model;
        const speeds = speedsOf(measured, {
          build,
          digest: hex(model.digest),
          engine: backend.name,
        });
        return [
          build,
          new ModelRunner({
            model,
            backend,
            cacheBytes,
            clock,
            onChange,
            ...(speeds !== undefined && { measuredSpeeds: speeds }),
            ...rest,
          }),
        ];
      }),
    );
  }

  slots(): Slot[] {
    return [...this.#runners.values()].map((runner) => runner.slot());
  }

  weights(): WeightsDigest[] {
    return this.#models.map(({ build, digest }) => ({ build, digest }));
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  load(build: string): void {
    void this.#runners.get(build)?.load();
  }

  emptyCaches(): void {
    for (const runner of this.#runners.values()) runner.emptyCaches();
  }

  unload(build: string): void {
    this.#runners.get(build)?.unload();
  }

  /** Loads all models before the first request arrives. */
  async loadAll(): Promise<void> {
    for (const runner of this.#runners.values()) await runner.load();
  }

  generate(request: GenerationRequest, sink: Sink): Sequence {
    const runner = this.#runners.get(request.build);
    if (runner === undefined) throw new Error(`this machine does not have ${request.build}`);
    return runner.generate(request, sink);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listeners = [];
    for (const runner of this.#runners.values()) await runner[Symbol.asyncDispose]();
    await this.#backend[Symbol.asyncDispose]();
  }
}
