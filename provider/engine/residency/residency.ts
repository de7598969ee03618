import {
  begin,
  nextTime,
  type ResidencyCommand,
  type ResidencyEvent,
  type ResidencyState,
  residencyAfter,
  withModel,
} from './residency-state.ts';
import { waitForRoomMs } from './room.ts';

/** A model that can be brought into memory. */
export interface Movable {
  readonly build: string;
  /** Memory for its weights and its largest cache, in bytes. */
  readonly bytes: number;
  /** Returns false if the load failed. */
  load(): Promise<boolean>;
  unload(): Promise<void>;
}

export interface ResidencyOptions {
  readonly models: readonly Movable[];
  readonly memoryBytes: number;
  readonly idleMs: number;
  readonly clock: () => number;
}

/** `late`: the deadline passed before the model was in memory. `failed`: it cannot be loaded. */
export type EntryResult = 'admitted' | 'late' | 'failed' | 'withdrawn';

/** One request's claim to a model in memory. */
export interface Stay {
  readonly entry: Promise<EntryResult>;
  /** Ends the claim; later calls do nothing. The model may then be unloaded. */
  leave(): void;
}

/** Longest delay that a timer can have, in milliseconds. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Loads and unloads models as `residency-state.ts` decides. */
export class Residency implements Disposable {
  readonly #options: ResidencyOptions;
  readonly #models: Movable[];
  readonly #waiting = new Map<number, (entry: EntryResult) => void>();
  readonly #admitted = new Set<number>();
  #state: ResidencyState;
  /** The load that runs at present. */
  #loading: Promise<void> | undefined;
  #lastId = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: ResidencyOptions) {
    const { models, memoryBytes, idleMs } = options;
    this.#options = options;
    this.#models = [...models];
    this.#state = begin(
      models.map((model) => this.#measured(model)),
      { memoryBytes, idleMs },
    );
  }

  /** Adds a model, which is not loaded. */
  add(model: Movable): void {
    this.#models.push(model);
    this.#state = withModel(this.#state, this.#measured(model));
  }

  /** Waits until the model is in memory, for `withinMs` at most. */
  enter(build: string, { withinMs, isOwners }: { withinMs: number; isOwners: boolean }): Stay {
    this.#lastId += 1;
    const id = this.#lastId;
    const now = this.#options.clock();
    const { promise: entry, resolve } = Promise.withResolvers<EntryResult>();
    if (this.#isClosed) resolve('failed');
    else this.#waiting.set(id, resolve);
    const request = { id, since: now, deadline: now + withinMs, isOwners };
    this.#send({ t: 'requested', build, request }, now);
    return {
      entry,
      leave: () => {
        if (this.#settle(id, 'withdrawn')) this.#send({ t: 'withdrawn', build, id });
        else if (this.#admitted.delete(id)) this.#send({ t: 'ended', build });
      },
    };
  }

  /** Loads the models that fit beside one another, one after the other, before the first request. */
  async loadThoseThatFit(): Promise<void> {
    for (const { build } of this.#models) await this.#loadIfItFits(build);
  }

  /** Loads a model by an order: of the router if there is room, of the owner in any case. */
  want(build: string, by: 'owner' | 'router'): void {
    this.#send({ t: 'wanted', build, by });
  }

  /** Unloads a model after its last answer. */
  unload(build: string): void {
    this.#send({ t: 'unwanted', build });
  }

  /** The model failed while it answered, and its answers have ended. */
  failed(build: string): void {
    this.#send({ t: 'failed', build });
  }

  /** Estimated time until there is room for a model, in milliseconds. */
  waitForRoomMs(build: string): number {
    return waitForRoomMs(this.#state, build, this.#options.clock());
  }

  /** Fails the requests that wait. Nothing new is begun. */
  [Symbol.dispose](): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const id of [...this.#waiting.keys()]) this.#settle(id, 'failed');
  }

  async #loadIfItFits(build: string): Promise<void> {
    this.#send({ t: 'wanted', build, by: 'start' });
    const isPending = () =>
      this.#state.models.some(
        (model) =>
          model.build === build && (model.phase === 'loading' || model.wanted !== undefined),
      );
    while (this.#loading !== undefined && isPending()) await this.#loading;
  }

  #send(event: ResidencyEvent, now = this.#options.clock()): void {
    if (this.#isClosed) return;
    const { state, commands } = residencyAfter(this.#state, event, now);
    this.#state = state;
    for (const command of commands) this.#carryOut(command);
    this.#schedule(now);
  }

  #carryOut(command: ResidencyCommand): void {
    switch (command.t) {
      case 'admit':
        this.#admitted.add(command.id);
        this.#settle(command.id, 'admitted');
        return;
      case 'refuse':
        this.#settle(command.id, command.because === 'deadline' ? 'late' : 'failed');
        return;
      case 'load':
        this.#loading = this.#load(command.build);
        return;
      case 'unload':
        void this.#unload(command.build);
    }
  }

  async #load(build: string): Promise<void> {
    const isLoaded = await this.#model(build).load();
    this.#loading = undefined;
    this.#send({ t: isLoaded ? 'loaded' : 'failed', build });
  }

  async #unload(build: string): Promise<void> {
    await this.#model(build).unload();
    this.#send({ t: 'unloaded', build });
  }

  #model(build: string): Movable {
    const model = this.#models.find((each) => each.build === build);
    if (model === undefined) throw new Error(`this machine does not have ${build}`);
    return model;
  }

  /** A model that exceeds the memory gets no cache, so its load fails with a reason. */
  #measured({ build, bytes }: Movable): { build: string; bytes: number } {
    return { build, bytes: Math.min(bytes, this.#options.memoryBytes) };
  }

  /** Returns false if the request does not wait any more. */
  #settle(id: number, entry: EntryResult): boolean {
    this.#waiting.get(id)?.(entry);
    return this.#waiting.delete(id);
  }

  /** `decidedAt`: what is due between this time and the present has not been decided yet. */
  #schedule(decidedAt: number): void {
    clearTimeout(this.#timer);
    const waitMs = nextTime(this.#state, decidedAt) - this.#options.clock();
    if (waitMs === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(
      () => this.#send({ t: 'time' }),
      Math.min(LONGEST_TIMER_MS, Math.max(1, waitMs)),
    ).unref();
  }
}
