import type { Logger } from 'pino';
import type { Engine } from '../engine/engine.ts';
import type { ClosureReason, GuestNote } from '../reasons.ts';
import type { Closed, DoorInput } from './door.ts';
import {
  type ModelUse,
  type PressureLevel,
  RELIEF_STEPS,
  type ReliefOrder,
  type ReliefStep,
  relieve,
  WITHOUT_PRESSURE,
} from './memory-pressure.ts';
import type { PressureReader } from './pressure-reader.ts';

export interface MemoryGuardOptions {
  readonly read: PressureReader;
  readonly engine: Pick<Engine, 'slots' | 'emptyCaches' | 'unload' | 'endAnswers'>;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

/** Time between two readings of the pressure, in milliseconds. */
const LOOK_MS = 2_000;

const reasons: Readonly<Record<ReliefStep, ClosureReason | undefined>> = {
  none: undefined,
  caches: undefined,
  refuse: 'memory_refuse',
  unload: 'memory_unload',
  end: 'memory_end',
};

/**
 * Watches the memory of the computer, and makes room when it is short: other programs of its owner
 * come first. An engine whose models are in another program cannot unload them; it only refuses.
 */
export class MemoryGuard implements DoorInput, Disposable {
  readonly #options: MemoryGuardOptions;
  readonly #canUnload: boolean;
  #state = WITHOUT_PRESSURE;
  #isWatched = true;
  #level: PressureLevel | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: MemoryGuardOptions) {
    this.#options = options;
    this.#canUnload = options.engine.unload !== undefined;
  }

  static watch(options: MemoryGuardOptions): MemoryGuard {
    const guard = new MemoryGuard(options);
    guard.#timer = setInterval(() => void guard.look(performance.now()), LOOK_MS);
    return guard;
  }

  get notes(): GuestNote[] {
    if (!this.#isWatched) return ['memory_unwatched'];
    return this.#state.step === 'caches' ? ['memory_caches'] : [];
  }

  /** The last reading; undefined before it, and if the system does not report the pressure. */
  get level(): PressureLevel | undefined {
    return this.#level;
  }

  closedAt(): Closed | undefined {
    const reason = reasons[this.#state.step];
    if (reason === undefined) return undefined;
    return { reason: this.#canUnload ? reason : 'memory_refuse' };
  }

  /** Reads the pressure once. `now` is in milliseconds on a clock that is never set. */
  async look(now: number): Promise<void> {
    const level = await this.#options.read();
    this.#level = level;
    this.#isWatched = level !== undefined;
    const before = this.#state.step;
    const { state, orders } = relieve(
      this.#state,
      { level: level ?? 'normal', models: this.#models() },
      now,
    );
    this.#state = state;
    for (const order of orders) this.#carryOut(order);
    if (state.step !== before) this.#logStep(before);
  }

  #models(): ModelUse[] {
    if (!this.#canUnload) return [];
    return this.#options.engine.slots().map(({ build, state, running, waiting }) => ({
      build,
      isInMemory: state === 'resident',
      requests: running + waiting,
    }));
  }

  #carryOut(order: ReliefOrder): void {
    const { engine, log } = this.#options;
    switch (order.t) {
      case 'empty_caches':
        return engine.emptyCaches?.();
      case 'unload':
        log.warn({ model: order.build }, 'a model without requests is unloaded: memory is short');
        return engine.unload?.(order.build);
      case 'end':
        log.warn({ model: order.build }, 'the answers of a model are ended: memory is almost full');
        return engine.endAnswers?.(order.build);
    }
  }

  #logStep(before: ReliefStep): void {
    const { step } = this.#state;
    const { log } = this.#options;
    if (RELIEF_STEPS.indexOf(step) > RELIEF_STEPS.indexOf(before))
      log.warn({ step }, 'the memory of this computer is short');
    else log.info({ step }, 'the memory of this computer is less short');
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
