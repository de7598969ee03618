import { cpus } from 'node:os';

/** Times of all cores together since the start of the computer, in milliseconds. */
export interface CpuTimes {
  readonly busy: number;
  readonly total: number;
}

export function cpuTimes(): CpuTimes {
  let [busy, total] = [0, 0];
  for (const { times } of cpus()) {
    const { idle, ...others } = times;
    const working = Object.values(others).reduce((sum, ms) => sum + ms, 0);
    busy += working;
    total += working + idle;
  }
  return { busy, total };
}

/**
 * Measures the share of all cores that other programs use. The work of the machine's own engine is
 * no load of others, so only the time without requests counts; while requests run, the last value
 * stays.
 */
export class CpuLoad {
  readonly #read: () => CpuTimes;
  #before: CpuTimes | undefined;
  #load: number | undefined;

  constructor(read: () => CpuTimes = cpuTimes) {
    this.#read = read;
  }

  /** `isBusy` tells whether the machine runs requests now. Call it regularly. */
  look(isBusy: boolean): number | undefined {
    const now = this.#read();
    const before = this.#before;
    this.#before = isBusy ? undefined : now;
    if (!isBusy && before !== undefined && now.total > before.total)
      this.#load = Math.max(0, Math.min(1, (now.busy - before.busy) / (now.total - before.total)));
    return this.#load;
  }
}
