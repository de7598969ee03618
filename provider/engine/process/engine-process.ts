import { fromHex, type Machine, type Slot, type WeightsDigest } from '#bus-schemas';
import { keepRunning } from '../../keep-running.ts';
import type { EngineFault } from '../../reasons.ts';
import type { Exit } from '../../supervised-process.ts';
import {
  type EncodingWork,
  type Engine,
  type GenerationRequest,
  type ModelMemory,
  RequestRefused,
  type Sequence,
  type Sink,
} from '../engine.ts';
import type { RunnerLog } from '../runner-log.ts';
import type { PrefixStoreFigures } from '../stored/prefix-store.ts';
import { EngineRun, type StateReport } from './engine-run.ts';
import { MemoryShare } from './memory-share.ts';
import type { EngineReport, EngineSettings } from './messages.ts';

export interface EngineProcessOptions extends EngineSettings {
  readonly log: RunnerLog;
  /** The file in which a smaller share of the memory outlives the worker. */
  readonly memoryFile?: string;
  /** The kernel's file of counters; by default that of Linux, which other systems lack. */
  readonly kernelCounters?: string;
  /** The program of the process; replaced in tests of a hung engine. */
  readonly program?: URL;
  /** Limits the silence of the process, in milliseconds; by default only the process limits it. */
  readonly maxSilenceMs?: number;
  /** Pauses before each new start, in milliseconds; the last one is repeated. */
  readonly pausesMs?: readonly number[];
}

type Opened = Extract<EngineReport, { t: 'opened' }>;

const KERNEL_COUNTERS = '/proc/vmstat';
const PROGRAM = new URL('./engine-program.ts', import.meta.url);
const TICK_MS = 500;
const PAUSES_MS = [200, 1_000, 5_000, 15_000, 60_000] as const;

/**
 * An engine in a process of its own. If that process hangs, freezes or crashes, it is ended and
 * started again after a pause that grows with failures in a row. Keys, identity and the link to the
 * network are in the worker and stay.
 */
export class EngineProcess implements Engine {
  readonly #options: EngineProcessOptions;
  readonly #memory: MemoryShare;
  #run: EngineRun | undefined;
  #opened: Opened | undefined;
  #slots: readonly Slot[] = [];
  #fault: EngineFault | undefined;
  #storedPrefixes: PrefixStoreFigures | undefined;
  #heldPrefixes: readonly string[] = [];
  #starting = Promise.withResolvers<void>();
  #keeping: AsyncDisposable | undefined;
  /** Models that were added after the start. */
  readonly #added = new Set<string>();
  /** The model that is being added. */
  #adding: PromiseWithResolvers<string> | undefined;
  readonly #listeners: (() => void)[] = [];

  private constructor(options: EngineProcessOptions) {
    this.#options = options;
    this.#memory = new MemoryShare({
      most: options.memoryShare ?? 1,
      file: options.memoryFile,
      now: Date.now,
    });
  }

  /** Starts the process, and resolves when it has loaded the models. Throws if none can be read. */
  static async open(options: EngineProcessOptions): Promise<EngineProcess> {
    const engine = new EngineProcess(options);
    try {
      await engine.#start();
      await engine.#starting.promise;
    } catch (error) {
      await engine.#run?.[Symbol.asyncDispose]();
      throw error;
    }
    engine.#keep();
    return engine;
  }

  get name(): Engine['name'] {
    return this.#facts.name;
  }

  get machine(): Machine {
    return this.#facts.machine;
  }

  get isHardened(): boolean {
    return this.#facts.isHardened;
  }

  get memory(): ModelMemory {
    return this.#facts.memory;
  }

  get storedPrefixes(): PrefixStoreFigures | undefined {
    return this.#storedPrefixes;
  }

  get heldPrefixes(): readonly string[] {
    return this.#heldPrefixes;
  }

  get fault(): EngineFault | undefined {
    return this.#fault;
  }

  get pid(): number | undefined {
    return this.#run?.pid;
  }

  slots(): readonly Slot[] {
    return this.#slots;
  }

  weights(): WeightsDigest[] {
    return this.#facts.weights.map(({ build, hex }) => ({ build, digest: fromHex(hex) }));
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  load(build: string): void {
    this.#run?.load(build);
  }

  switchTo(build: string): void {
    this.#run?.switchTo(build);
  }

  async add(name: string): Promise<string> {
    if (this.#run === undefined || this.#fault !== undefined)
      throw new Error('The engine does not run at present. Try again in a minute.');
    if (this.#adding !== undefined)
      throw new Error('Another model is being added. Try again when that is done.');
    this.#adding = Promise.withResolvers();
    try {
      this.#run.add(name);
      const build = await this.#adding.promise;
      this.#added.add(name);
      return build;
    } finally {
      this.#adding = undefined;
    }
  }

  emptyCaches(): void {
    this.#run?.emptyCaches();
  }

  unload(build: string): void {
    this.#run?.unload(build);
  }

  endAnswers(build: string): void {
    this.#run?.endAnswers(build);
  }

  generate(request: GenerationRequest, sink: Sink): Sequence {
    if (this.#run === undefined) throw new RequestRefused('model_not_loaded');
    return this.#run.generate(request, sink);
  }

  encode(work: EncodingWork, sink: Sink): Sequence {
    if (this.#run === undefined) throw new RequestRefused('model_not_loaded');
    return this.#run.encode(work, sink);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#keeping?.[Symbol.asyncDispose]();
    await this.#run?.[Symbol.asyncDispose]();
  }

  get #facts(): Opened {
    if (this.#opened === undefined) throw new Error('the engine was not opened');
    return this.#opened;
  }

  async #start(): Promise<void> {
    const { log, program = PROGRAM, maxSilenceMs = Number.POSITIVE_INFINITY } = this.#options;
    const { backend, models, maxConcurrency, idleMs, measured = [], prefixes } = this.#options;
    const { kernelCounters = KERNEL_COUNTERS } = this.#options;
    if (this.#fault === 'engine_out_of_memory') await this.#memory.lower();
    const memoryShare = await this.#memory.share();
    this.#starting = Promise.withResolvers<void>();
    this.#starting.promise.catch(() => undefined);
    const run = await EngineRun.start({
      program,
      settings: {
        models: [...new Set([...models, ...this.#added])],
        maxConcurrency,
        idleMs,
        memoryShare,
        measured,
        ...(backend && { backend }),
        ...(prefixes && { prefixes }),
      },
      kernelCounters,
      tickMs: Math.min(TICK_MS, maxSilenceMs / 4),
      maxSilenceMs,
      onReport: (report) => this.#apply(report),
      onFault: (fault) => this.#failed(fault),
      onLine: (line) => log.info({ line }, 'the engine printed a line'),
    });
    this.#run = run;
    void run.exited.then((exit) => this.#ended(exit));
  }

  #keep(): void {
    const process = this;
    this.#keeping = keepRunning({
      name: 'the engine',
      child: {
        get exited() {
          return process.#run?.exited ?? Promise.resolve({ code: null, signal: null });
        },
        restart: async () => {
          await process.#start();
          await process.#starting.promise;
        },
      },
      log: { error: (message: string) => this.#options.log.error({ fault: this.#fault }, message) },
      pausesMs: this.#options.pausesMs ?? PAUSES_MS,
    });
  }

  #apply(report: StateReport): void {
    switch (report.t) {
      case 'log':
        return this.#options.log[report.level](report.facts, report.message);
      case 'cannot_open':
        return this.#starting.reject(new Error(report.message));
      case 'opened':
        this.#opened = report;
        return this.#setSlots(report.slots);
      case 'added':
        this.#opened = { ...this.#facts, weights: report.weights, memory: report.memory };
        this.#setSlots(report.slots);
        return this.#adding?.resolve(report.build);
      case 'cannot_add':
        return this.#adding?.reject(new Error(report.message));
      case 'slots':
        return this.#setSlots(report.slots);
      case 'prefixes':
        this.#storedPrefixes = report.figures;
        return;
      case 'held':
        this.#heldPrefixes = report.tags;
        return;
      case 'loaded':
        this.#fault = undefined;
        this.#starting.resolve();
        return this.#changed();
    }
  }

  #failed(fault: EngineFault): void {
    this.#fault = fault;
    this.#adding?.reject(new Error('The engine ended while it read the model. Try again.'));
    this.#setSlots(
      this.#slots.map((slot) => ({ ...slot, state: 'failed', running: 0, waiting: 0 })),
    );
  }

  #ended({ code, signal }: Exit): void {
    this.#starting.reject(
      new Error(`the process of the engine ended (${signal ?? `exit code ${code}`})`),
    );
  }

  #setSlots(slots: readonly Slot[]): void {
    this.#slots = slots;
    this.#changed();
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}
