import { setImmediate } from 'node:timers/promises';
import { hex } from '#bus-schemas';
import { messageOf } from '#bus-schemas/message-of.ts';
import { tuneForServing } from '#bus-schemas/serving-process.ts';
import { errorPlace } from '../../error-place.ts';
import { harden } from '../../harden.ts';
import { RequestRefused, type Sequence, type Sink } from '../engine.ts';
import type { Guard } from '../guarded-work.ts';
import type { ModelEngine } from '../model-engine.ts';
import { addModel, type OpenEngineOptions } from '../open-model-engine.ts';
import { countAwake } from './awake-time.ts';
import { ENGINE_PROCESS_READY, type EngineOrder, type EngineReport } from './messages.ts';
import { WorkWatch } from './work-watch.ts';

/** Time between two looks at the running work, in milliseconds. */
const TICK_MS = 500;
/** Longest time for which no order is received, in milliseconds. */
const TURN_MS = 20;
/** Longest time for which the worker has an old state of the models, in milliseconds. */
const SLOTS_MS = 100;
/** The same for the list of prompts, which is sent to the network every 5 s. */
const HELD_MS = 2_000;

/** Serves an engine to the worker that started this process, until the worker ends. */
export function serveEngine(open: (options: OpenEngineOptions) => Promise<ModelEngine>): void {
  const server = new EngineServer(open);
  process.on('message', (order: EngineOrder) => server.receive(order));
  process.on('disconnect', () => process.exit());
  console.log(ENGINE_PROCESS_READY);
}

class EngineServer {
  readonly #open: (options: OpenEngineOptions) => Promise<ModelEngine>;
  readonly #watch = new WorkWatch(() => this.#pulse());
  readonly #sequences = new Map<number, Sequence>();
  #engine: ModelEngine | undefined;
  #unsent: EngineReport[] = [];
  #sentSlots = '';
  #sentPrefixes = '';
  #sentHeld = '[]';
  #turnedAt = 0;

  constructor(open: (options: OpenEngineOptions) => Promise<ModelEngine>) {
    this.#open = open;
    countAwake(TICK_MS, (ms) => {
      this.#watch.tick(ms);
      this.#pulse();
    });
  }

  /**
   * The backends in TypeScript resolve their steps without a turn of the event loop, so orders would
   * wait for the end of all answers.
   */
  readonly #guard: Guard = async (work, run) => {
    const result = await this.#watch.guard(work, run);
    if (performance.now() - this.#turnedAt > TURN_MS) {
      await setImmediate();
      this.#turnedAt = performance.now();
    }
    return result;
  };

  receive(order: EngineOrder): void {
    switch (order.t) {
      case 'open':
        return void this.#start(order.settings);
      case 'load':
        return this.#engine?.load(order.build);
      case 'unload':
        return this.#engine?.unload(order.build);
      case 'switch':
        return this.#engine?.switchTo(order.build);
      case 'add':
        return void this.#add(order.name);
      case 'empty_caches':
        return this.#engine?.emptyCaches();
      case 'generate':
        return this.#begin(order.id, (engine, sink) => engine.generate(order.request, sink));
      case 'encode':
        return this.#begin(order.id, (engine, sink) => engine.encode(order.work, sink));
      default:
        this.#sequences.get(order.id)?.[order.t]();
    }
  }

  async #start(settings: Extract<EngineOrder, { t: 'open' }>['settings']): Promise<void> {
    const logAs = (level: 'info' | 'error') => (facts: object, message: string) =>
      this.#send({ t: 'log', level, facts: { ...facts }, message });
    const log = { info: logAs('info'), error: logAs('error') };
    try {
      const isHardened = harden((facts, message) => log.error(facts, message));
      const engine = await this.#open({ ...settings, log, guard: this.#guard });
      this.#engine = engine;
      engine.onChange(() => this.#sendSlots());
      setInterval(() => {
        this.#sendSlots();
        this.#sendPrefixes();
      }, SLOTS_MS);
      const { name, machine } = engine;
      this.#send({ t: 'opened', name, machine, isHardened, ...modelsOf(engine) });
      this.#sendHeld();
      setInterval(() => this.#sendHeld(), HELD_MS);
      await engine.loadAll();
      this.#sendSlots();
      this.#send({ t: 'loaded' });
      tuneForServing();
    } catch (error) {
      this.#send({ t: 'cannot_open', message: messageOf(error) });
    }
  }

  async #add(name: string): Promise<void> {
    try {
      if (this.#engine === undefined) throw new Error('the engine has not opened its models yet');
      const build = await addModel(this.#engine, name);
      this.#send({ t: 'added', build, ...modelsOf(this.#engine) });
    } catch (error) {
      this.#send({ t: 'cannot_add', message: messageOf(error) });
    }
  }

  #begin(id: number, start: (engine: ModelEngine, sink: Sink) => Sequence): void {
    const refuse = ({ code, about, detail }: RequestRefused) => {
      this.#sequences.delete(id);
      this.#send({
        t: 'refuse',
        id,
        code,
        ...(about !== undefined && { about }),
        ...(detail !== undefined && { detail }),
      });
    };
    const sink: Sink = {
      begun: (prompt) => this.#send({ t: 'begun', id, ...prompt }),
      delta: (delta) => this.#send({ t: 'delta', id, delta }),
      end: (finish, usage, { stopSequence, about } = {}) => {
        this.#sequences.delete(id);
        this.#send({
          t: 'end',
          id,
          finish,
          usage,
          ...(stopSequence !== undefined && { stopSequence }),
          ...(about !== undefined && { about }),
        });
      },
      refuse,
    };
    try {
      if (this.#engine === undefined) throw new RequestRefused('model_not_loaded');
      this.#sequences.set(id, start(this.#engine, sink));
    } catch (error) {
      if (error instanceof RequestRefused) return refuse(error);
      const facts = { err: errorPlace(error) };
      this.#send({ t: 'log', level: 'error', facts, message: 'a request could not be started' });
      refuse(new RequestRefused('model_not_loaded'));
    }
  }

  #sendSlots(): void {
    const slots = this.#engine?.slots() ?? [];
    const text = JSON.stringify(slots);
    if (text === this.#sentSlots) return;
    this.#sentSlots = text;
    this.#send({ t: 'slots', slots });
  }

  #sendPrefixes(): void {
    const figures = this.#engine?.storedPrefixes;
    const text = JSON.stringify(figures);
    if (figures === undefined || text === this.#sentPrefixes) return;
    this.#sentPrefixes = text;
    this.#send({ t: 'prefixes', figures });
  }

  #sendHeld(): void {
    const tags = [...(this.#engine?.heldPrefixes ?? [])];
    const text = JSON.stringify(tags);
    if (text === this.#sentHeld) return;
    this.#sentHeld = text;
    this.#send({ t: 'held', tags });
  }

  /** Is sent at once, because the work that follows may block this process. */
  #pulse(): void {
    const { silenceMs, overdue } = this.#watch;
    this.#unsent.push({ t: 'pulse', silenceMs, ...(overdue && { overdue }) });
    this.#flush();
  }

  #send(report: EngineReport): void {
    if (this.#unsent.length === 0) void setImmediate().then(() => this.#flush());
    this.#unsent.push(report);
  }

  #flush(): void {
    if (this.#unsent.length > 0 && process.connected) process.send?.(this.#unsent.splice(0));
  }
}

const modelsOf = (engine: ModelEngine) => ({
  slots: engine.slots(),
  weights: engine.weights().map(({ build, digest }) => ({ build, hex: hex(digest) })),
  memory: engine.memory,
});
