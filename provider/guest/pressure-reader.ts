import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PRESSURE_LEVELS, type PressureLevel } from './memory-pressure.ts';
import { printedBy } from './printed-by.ts';

/** Returns the present pressure on the memory; undefined if the system does not report it. */
export type PressureReader = () => Promise<PressureLevel | undefined>;

/** Share of the time in which at least one process waited for memory, from which it is short. */
const HIGH_SHARE = 0.1;
/** Share of the time in which all processes waited for memory, from which answers are ended. */
const CRITICAL_SHARE = 0.1;
/** Free memory in percent below which the kernel of macOS counts it as short, and as critical. */
const MAC_HIGH_BELOW = 15;
const MAC_CRITICAL_BELOW = 5;

/** The reader for this system. */
export const pressureReader = (): PressureReader =>
  process.platform === 'darwin'
    ? async () => macLevel(await printedBy('memory_pressure', ['-Q']))
    : linuxReader();

interface LinuxOptions {
  /** Folder of the kernel's figures; replaced in tests. */
  readonly proc?: string;
  /** Folder of the control groups of version 2; replaced in tests. */
  readonly groups?: string;
  /** Milliseconds on a clock that is never set. */
  readonly clock?: () => number;
}

/** What the kernel has counted for the system or for a control group. */
interface Counts {
  readonly at: number;
  /** Time for which at least one process waited for memory, in milliseconds. */
  readonly someMs: number;
  /** Time for which all processes waited for memory, in milliseconds. */
  readonly allMs: number;
  /** Number of times at which the group was at its limit and nothing could be freed. */
  readonly exhausted: number;
}

/**
 * Reads Linux's counters of pressure (PSI) for the system and for the control group of this program,
 * and compares them with those of the call before. The kernel's own averages lag by 10 s: in that
 * time every step of relief would be taken before the first one shows its effect.
 */
export function linuxReader({
  proc = '/proc',
  groups = '/sys/fs/cgroup',
  clock = () => performance.now(),
}: LinuxOptions = {}): PressureReader {
  const before = new Map<string, Counts>();
  return async () => {
    const group = join(groups, groupOf(await textOf(join(proc, 'self/cgroup'))));
    const levels: PressureLevel[] = [];
    for (const [file, events] of [
      [join(proc, 'pressure/memory'), undefined],
      [join(group, 'memory.pressure'), join(group, 'memory.events')],
    ] as const) {
      const counts = countsOf(await textOf(file), events && (await textOf(events)), clock());
      if (counts === undefined) continue;
      levels.push(levelBetween(before.get(file) ?? counts, counts));
      before.set(file, counts);
    }
    return levels.toSorted(
      (one, other) => PRESSURE_LEVELS.indexOf(other) - PRESSURE_LEVELS.indexOf(one),
    )[0];
  };
}

/** A file that is missing, or that this user may not read, counts as empty. */
const textOf = (file: string): Promise<string> => readFile(file, 'utf8').catch(() => '');

/** Path of the control group below the folder of all groups. */
export const groupOf = (text: string): string => /^0::(.*)$/m.exec(text)?.[1] ?? '/';

function countsOf(pressure: string, events = '', at: number): Counts | undefined {
  const totalMs = (line: 'some' | 'full') =>
    Number(new RegExp(`^${line} .*total=(\\d+)`, 'm').exec(pressure)?.[1]) / 1_000;
  const [someMs, allMs] = [totalMs('some'), totalMs('full')];
  if (Number.isNaN(someMs) || Number.isNaN(allMs)) return undefined;
  return { at, someMs, allMs, exhausted: Number(/^oom (\d+)$/m.exec(events)?.[1] ?? 0) };
}

function levelBetween(before: Counts, now: Counts): PressureLevel {
  const elapsedMs = Math.max(1, now.at - before.at);
  if (now.exhausted > before.exhausted) return 'critical';
  if ((now.allMs - before.allMs) / elapsedMs >= CRITICAL_SHARE) return 'critical';
  return (now.someMs - before.someMs) / elapsedMs >= HIGH_SHARE ? 'high' : 'normal';
}

/** Reads what `memory_pressure -Q` prints; undefined if it does not name the free memory. */
export function macLevel(printed: string | undefined): PressureLevel | undefined {
  const free = macFreePercent(printed);
  if (free === undefined) return undefined;
  if (free < MAC_CRITICAL_BELOW) return 'critical';
  return free < MAC_HIGH_BELOW ? 'high' : 'normal';
}

/** The free memory in percent that `memory_pressure -Q` prints. */
export function macFreePercent(printed: string | undefined): number | undefined {
  const free = /memory free percentage: (\d+)%/.exec(printed ?? '')?.[1];
  return free === undefined ? undefined : Number(free);
}
