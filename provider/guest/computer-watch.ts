import type { Conditions, Slot } from '#bus-schemas';
import type { Engine } from '../engine/engine.ts';
import { conditionsOf, MB, type Readings } from './conditions.ts';
import { CpuLoad } from './cpu-load.ts';
import { type FreeMemoryReader, forAnotherModel } from './free-memory.ts';
import type { HeatGuard } from './heat-guard.ts';
import type { ThermalReader } from './thermal-reader.ts';

export interface ComputerWatchOptions {
  readonly readThermal: ThermalReader;
  readonly readFreeMemory: FreeMemoryReader;
  /** The newest readings of others. */
  readonly power: () => Readings['power'];
  readonly pressure: () => Readings['pressure'];
  readonly heat: Pick<HeatGuard, 'look'>;
  readonly engine: Pick<Engine, 'slots' | 'switchTo'>;
  /** Announces the state of the computer. */
  readonly setConditions: (conditions: Conditions) => void;
}

/** Reads the state of the computer again and again, for the heat guard and for the network. */
export class ComputerWatch implements Disposable {
  readonly #options: ComputerWatchOptions;
  readonly #cpu = new CpuLoad();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ComputerWatchOptions) {
    this.#options = options;
  }

  /** The computer has been read once when this resolves. */
  static async start(options: ComputerWatchOptions, everyMs: number): Promise<ComputerWatch> {
    const watch = new ComputerWatch(options);
    await watch.look(performance.now());
    watch.#timer = setInterval(() => void watch.look(performance.now()), everyMs);
    return watch;
  }

  /** Reads everything once. `now` is in milliseconds on a clock that is never set. */
  async look(now: number): Promise<void> {
    const { readThermal, readFreeMemory, power, pressure, heat, engine, setConditions } =
      this.#options;
    const [thermal, free] = await Promise.all([readThermal(), readFreeMemory()]);
    heat.look(thermal, now);
    const slots = engine.slots();
    const isBusy = slots.some(({ running, waiting }) => running + waiting > 0);
    const cpuLoad = this.#cpu.look(isBusy);
    const freeBytes = forAnotherModel(free, engine);
    setConditions(
      conditionsOf({
        thermal,
        power: power(),
        pressure: pressure(),
        freeBytes: freeBytes === undefined ? undefined : freeBytes + heldBytes(slots),
        cpuLoad,
      }),
    );
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/** Memory of the models in memory, in bytes: they leave it for another one when they are idle. */
const heldBytes = (slots: readonly Slot[]): number =>
  slots
    .filter(({ state }) => state === 'resident' || state === 'loading')
    .reduce((sum, { memoryMb = 0 }) => sum + memoryMb * MB, 0);
