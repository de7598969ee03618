import {
  type Conditions,
  type Delta,
  encodingOf,
  type Finish,
  type Machine,
  type Slot,
  type Usage,
} from '#bus-schemas';
import {
  type EncodingWork,
  type Engine,
  type GenerationRequest,
  RequestRefused,
  type Sequence,
  type Sink,
} from '#provider';
import type { Ailment } from './ailment.ts';
import { type Chip, type ChipName, chipOf, machineOf } from './chips.ts';
import { Heat } from './heat.ts';
import { type SimulatedBuild, simulatedBuilds } from './models.ts';
import { AnswerStream } from './simulated-answer.ts';
import { SimulatedEncoding } from './simulated-encoding.ts';
import { cacheTokens, decodeTps, fits, loadMs, prefillTps, slowdown } from './speeds.ts';
import { TimerWheel } from './timer-wheel.ts';

/**
 * Behaviour of a simulated machine. Its speed follows from chip and model unless it is overridden.
 */
export interface EngineProfile {
  readonly chip: ChipName;
  readonly builds?: readonly SimulatedBuild[];
  /** Milliseconds between two tokens of a sequence; 0 generates as fast as this computer can. */
  readonly tokenMs?: number;
  readonly firstTokenMs?: number;
  readonly maxConcurrency?: number;
  /** Every answer goes on until `max_tokens`. */
  readonly endless?: boolean;
  readonly ailment?: Ailment;
  /** Models begin on disk, and are loaded into memory at the first request for them. */
  readonly startsCold?: boolean;
}

export interface SimulatedEngine extends Engine {
  /** What the simulated computer reports; undefined if it reports nothing. */
  readonly conditions?: Conditions | undefined;
  readonly running: number;
  readonly tokensMade: number;
}

const DEFAULT_CONCURRENCY = 16;
/** Maximum of `freeTokens` that a slot announces. */
const MAX_TOKENS = 1_000_000_000;

export function createSimulatedEngine(profile: EngineProfile): SimulatedEngine {
  return new Simulation(profile);
}

class Simulation implements SimulatedEngine {
  readonly name = 'simulated';
  readonly machine: Machine;
  readonly #profile: EngineProfile;
  readonly #chip: Chip;
  readonly #builds: ReadonlyMap<string, SimulatedBuild>;
  readonly #wheel = new TimerWheel();
  readonly #sequences = new Set<SimulatedSequence>();
  /** Loads by build, with the time at which the load ends; used only with `startsCold`. */
  readonly #loads = new Map<string, { isDone: boolean; at: number }>();
  readonly #heat = new Heat();
  #listeners: (() => void)[] = [];
  tokensMade = 0;

  constructor(profile: EngineProfile) {
    this.#profile = profile;
    this.#chip = chipOf(profile.chip);
    this.machine = machineOf(this.#chip);
    const builds = profile.builds ?? simulatedBuilds;
    this.#builds = new Map(
      builds.filter((build) => fits(this.#chip, build)).map((build) => [build.build, build]),
    );
  }

  get #ailment(): Ailment {
    return this.#profile.ailment ?? {};
  }

  get conditions(): Conditions | undefined {
    const { throttles, conditions } = this.#ailment;
    if (throttles === undefined) return conditions;
    this.#speed(this.#sequences.size > 0);
    return { thermal: this.#heat.state, ...conditions };
  }

  get running(): number {
    return this.#sequences.size;
  }

  slots(): Slot[] {
    return [...this.#builds.values()].map((build) => this.#slotOf(build));
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  load(name: string): void {
    const build = this.#builds.get(name);
    if (build === undefined || this.#stateOf(build) !== 'cold') return;
    const load = { isDone: false, at: performance.now() + loadMs(build) };
    this.#loads.set(name, load);
    this.#changed();
    this.#schedule(loadMs(build), () => {
      load.isDone = true;
      this.#changed();
    });
  }

  generate(request: GenerationRequest, sink: Sink): Sequence {
    const build = this.#buildFor(request.build, 'answers');
    const { chat, maxTokens, reportsIds, answerTokens = [] } = request;
    const { endless = false } = this.#profile;
    const stream = new AnswerStream({ ...chat, max_tokens: maxTokens }, { endless });
    return this.#start(build, stream, {
      tokens: stream.promptTokens + maxTokens,
      sink: reportsIds ? withIds(sink) : sink,
      written: answerTokens.length,
    });
  }

  encode({ build: name, task, mostTokens }: EncodingWork, sink: Sink): Sequence {
    const build = this.#buildFor(name, task.k);
    const { contextTokens } = build;
    const stream = new SimulatedEncoding(task, { contextTokens, mostTokens });
    return this.#start(build, stream, { tokens: stream.promptTokens, sink });
  }

  /** The build of a request. Throws RequestRefused if it does other work. */
  #buildFor(name: string, work: 'answers' | EncodingWork['task']['k']): SimulatedBuild {
    const build = this.#builds.get(name);
    if (build === undefined) throw new Error(`this machine does not have the build ${name}`);
    const { refuses } = this.#ailment;
    if (refuses) throw new RequestRefused(refuses);
    if ((encodingOf(build.traits) ?? 'answers') !== work)
      throw new RequestRefused('invalid_request', { detail: `${name} does not compute ${work}.` });
    return build;
  }

  #start(
    build: SimulatedBuild,
    stream: OutputStream,
    { tokens, sink, written = 0 }: { tokens: number; sink: Sink; written?: number },
  ): Sequence {
    const { lateMs = 0, stalls, ignoresCancels } = this.#ailment;
    this.load(build.build);
    const loadingMs = Math.max(0, (this.#loads.get(build.build)?.at ?? 0) - performance.now());
    const sequence = new SimulatedSequence({ build: build.build, stream, tokens, written }, sink, {
      ignoresCancels: ignoresCancels ?? false,
      onToken: () => {
        this.tokensMade += 1;
      },
      onEnd: () => {
        this.#sequences.delete(sequence);
        this.#changed();
      },
      schedule: (run) => this.#schedule(this.#tokenMs(build), run),
    });
    this.#sequences.add(sequence);
    this.#changed();
    if (!stalls)
      this.#schedule(loadingMs + lateMs + this.#prefillMs(build, sequence.promptTokens), () =>
        sequence.step(),
      );
    return sequence;
  }

  #stateOf({ build }: SimulatedBuild): Slot['state'] {
    if (this.#profile.startsCold !== true) return 'resident';
    const load = this.#loads.get(build);
    if (load === undefined) return 'cold';
    return load.isDone ? 'resident' : 'loading';
  }

  #schedule(delayMs: number, run: () => void): void {
    if (delayMs > 0) this.#wheel.after(delayMs, run);
    else setImmediate(run);
  }

  #tokenMs(build: SimulatedBuild): number {
    const { tokenMs = (1_000 / decodeTps(this.#chip, build)) * slowdown(this.#sequences.size) } =
      this.#profile;
    return tokenMs / this.#speed(true);
  }

  #prefillMs(build: SimulatedBuild, promptTokens: number): number {
    const { firstTokenMs, tokenMs } = this.#profile;
    return (
      (firstTokenMs ?? tokenMs ?? (1_000 * promptTokens) / prefillTps(this.#chip, build)) /
      this.#speed(this.#sequences.size > 1)
    );
  }

  #speed(wasBusy: boolean): number {
    const { speed = 1 } = this.#ailment;
    return speed * this.#heat.speed(this.#ailment, wasBusy, performance.now());
  }

  #slotOf(build: SimulatedBuild): Slot {
    const sequences = [...this.#sequences].filter((sequence) => sequence.build === build.build);
    const { boasts = 1, roomShare = 1 } = this.#ailment;
    const tps =
      this.#profile.tokenMs === undefined
        ? decodeTps(this.#chip, build)
        : 1_000 / Math.max(1, this.#profile.tokenMs);
    const reserved = sequences.reduce((sum, { tokens }) => sum + tokens, 0);
    return {
      build: build.build,
      state: this.#stateOf(build),
      contextTokens: build.contextTokens,
      running: sequences.length,
      waiting: 0,
      maxConcurrency: this.#profile.maxConcurrency ?? DEFAULT_CONCURRENCY,
      freeTokens: Math.max(
        0,
        Math.min(MAX_TOKENS, Math.floor(cacheTokens(this.#chip, build) * roomShare - reserved)),
      ),
      decodeTps: tps * boasts,
      prefillTps: prefillTps(this.#chip, build) * boasts,
      loadMs: loadMs(build),
      memoryMb: Math.round(1_000 * build.weightsGb),
      traits: [...build.traits],
    };
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const sequence of this.#sequences) sequence.abandon();
    this.#listeners = [];
    this.#wheel.stop();
  }
}

/** The output of a model, token by token, and what is reported at its end. */
interface OutputStream {
  readonly promptTokens: number;
  next(): Delta | undefined;
  readonly finish: Finish;
  readonly stopSequence: string | undefined;
  readonly usage: Usage;
}

/** The simulated vocabulary numbers the tokens of each answer. */
function withIds(sink: Sink): Sink {
  let next = 0;
  return {
    ...sink,
    delta: (delta) =>
      sink.delta({ ...delta, ids: Array.from({ length: delta.tokens }, () => next++) }),
  };
}

interface SequenceDeps {
  /** The sequence ignores cancellations. */
  readonly ignoresCancels: boolean;
  readonly onToken: () => void;
  readonly onEnd: () => void;
  readonly schedule: (run: () => void) => void;
}

class SimulatedSequence implements Sequence {
  readonly build: string;
  /** Tokens that the sequence reserves: the prompt plus the maximum length of an answer. */
  readonly tokens: number;
  readonly #stream: OutputStream;
  readonly #sink: Sink;
  readonly #deps: SequenceDeps;
  #paused = false;
  #waiting = true;
  #over = false;
  #hasBegun = false;
  /** Tokens that another machine wrote before. */
  #written: number;

  constructor(
    {
      build,
      stream,
      tokens,
      written,
    }: { build: string; stream: OutputStream; tokens: number; written: number },
    sink: Sink,
    deps: SequenceDeps,
  ) {
    this.build = build;
    this.#stream = stream;
    this.tokens = tokens;
    this.#written = written;
    this.#sink = sink;
    this.#deps = deps;
  }

  get promptTokens(): number {
    return this.#stream.promptTokens;
  }

  /** Sends the next token and schedules the one after it. */
  step(): void {
    this.#waiting = false;
    if (this.#over || this.#paused) return;
    for (; this.#written > 0; this.#written -= 1) this.#pass(this.#stream.next());
    const delta = this.#stream.next();
    if (delta === undefined) return this.#end(this.#stream.finish);
    this.#deps.onToken();
    this.#pass(delta);
    this.#scheduleNext();
  }

  #pass(delta: Delta | undefined): void {
    if (delta === undefined) return;
    if (!this.#hasBegun) {
      const { promptTokens, cachedTokens } = this.#stream.usage;
      this.#sink.begun?.({ promptTokens, cachedTokens });
      this.#hasBegun = true;
    }
    this.#sink.delta(delta);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#scheduleNext();
  }

  cancel(): void {
    if (!this.#deps.ignoresCancels) this.abandon();
  }

  /** Ends the sequence even if it ignores cancellations. */
  abandon(): void {
    if (!this.#over) this.#end('cancelled');
  }

  #scheduleNext(): void {
    if (this.#waiting || this.#paused || this.#over) return;
    this.#waiting = true;
    this.#deps.schedule(() => this.step());
  }

  #end(finish: Finish): void {
    this.#over = true;
    this.#deps.onEnd();
    this.#sink.end(finish, this.#stream.usage, { stopSequence: this.#stream.stopSequence });
  }
}
