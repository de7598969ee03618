import { readFile } from 'node:fs/promises';
import { freemem, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Engine } from '../engine/engine.ts';
import { groupOf, macFreePercent } from './pressure-reader.ts';
import { printedBy } from './printed-by.ts';

/** Returns the memory that a further model could use, in bytes; undefined if it is not known. */
export type FreeMemoryReader = () => Promise<number | undefined>;

/** The reader for this system. */
export const freeMemoryReader = (): FreeMemoryReader =>
  process.platform === 'darwin'
    ? async () => {
        const percent = macFreePercent(await printedBy('memory_pressure', ['-Q']));
        return percent === undefined ? undefined : (percent / 100) * totalmem();
      }
    : () => linuxFree();

/**
 * The free memory of the system or of the control group of this program, whichever is less. Pages of
 * files count as free, because the kernel drops them when a program needs their memory.
 */
export async function linuxFree({
  groups = '/sys/fs/cgroup',
  proc = '/proc',
  system = freemem,
} = {}): Promise<number> {
  const group = join(groups, groupOf(await textOf(join(proc, 'self/cgroup'))));
  const [limit, used, files] = await Promise.all([
    textOf(join(group, 'memory.max')).then(Number),
    textOf(join(group, 'memory.current')).then(Number),
    textOf(join(group, 'memory.stat')).then((text) =>
      Number(/^inactive_file (\d+)$/m.exec(text)?.[1] ?? 0),
    ),
  ]);
  // Without a limit, the file says "max".
  const ofGroup =
    Number.isNaN(limit) || limit === 0 ? Number.POSITIVE_INFINITY : limit - used + files;
  return Math.max(0, Math.min(system(), ofGroup));
}

const MB = 1e6;

/**
 * The memory that a model on the disk could take, in bytes: the free memory, and that of the models
 * which make room for it.
 */
export function forAnotherModel(
  free: number | undefined,
  engine: Pick<Engine, 'slots' | 'switchTo'>,
): number | undefined {
  if (free === undefined || engine.switchTo === undefined) return free;
  return engine
    .slots()
    .filter(({ state }) => state === 'resident')
    .reduce((sum, { memoryMb = 0 }) => sum + MB * memoryMb, free);
}

/** A file that is missing counts as empty. */
const textOf = (file: string): Promise<string> => readFile(file, 'utf8').catch(() => '');
