import { availableParallelism, loadavg } from 'node:os';

/** What the computer did in some milliseconds. */
interface Computer {
  /** Processor time of this process, of all its threads. */
  readonly usedMs: number;
  /** Programs that ran or waited for a processor, on average. */
  readonly load: number;
  readonly cores: number;
}

/** Time of a load that counts at least, as a part of the real time: a driver may hang meanwhile. */
const LEAST_SHARE = 0.25;

/**
 * The time that counts for a load, of `ms` real ones. Reading weights and compiling kernels takes a
 * minute of processor time on some drivers in software. While other programs want more processors than
 * there are, only the processor time that this process got counts.
 */
export function countedLoadMs(ms: number, { usedMs, load, cores }: Computer): number {
  return load <= cores ? ms : Math.min(ms, Math.max(usedMs, LEAST_SHARE * ms));
}

/** Returns a function that turns the time since its last call into the time that counts for a load. */
export function loadTimeCounter(): (ms: number) => number {
  let before = process.cpuUsage();
  return (ms) => {
    const { user, system } = process.cpuUsage(before);
    before = process.cpuUsage();
    const [load = 0] = loadavg();
    return countedLoadMs(ms, {
      usedMs: (user + system) / 1_000,
      load,
      cores: availableParallelism(),
    });
  };
}
