import { existsSync, mkdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** A control group of Linux that limits the memory of its processes. */
export interface MemoryGroup extends AsyncDisposable {
  /** Put before a command line, this runs the command in the group. */
  readonly launcher: readonly string[];
  /** Moves a running process into the group. Memory that it has already is not counted. */
  add(pid: number): void;
  /** Moves a process out of the group again; nothing happens if it has ended. */
  release(pid: number): void;
}

/** The folders in which root can make a group, and the file with its limit: version 2, and 1. */
const PLACES = [
  ['/sys/fs/cgroup', 'memory.max'],
  ['/sys/fs/cgroup/memory', 'memory.limit_in_bytes'],
] as const;
/** The last process of a group may need a moment to end. */
const TRIES = 100;
const PAUSE_MS = 100;
const TRY_BYTES = 64 * 1024 * 1024;
/** Moves the shell into the group and becomes the command. */
const ENTER = 'echo $$ > "$0/cgroup.procs" && exec "$@"';

/** Makes a group; undefined where this process may not. */
export function makeMemoryGroup(name: string, limitBytes: number): MemoryGroup | undefined {
  for (const [place, limitFile] of PLACES) {
    const folder = join(place, name);
    try {
      mkdirSync(folder);
    } catch {
      // There is no such hierarchy, or it is not ours: the next one may be.
      continue;
    }
    // In a hierarchy of groups the kernel makes these files.
    if (!existsSync(join(folder, 'cgroup.procs'))) {
      rmSync(folder, { recursive: true });
      continue;
    }
    if (!existsSync(join(folder, limitFile))) {
      rmdirSync(folder);
      continue;
    }
    writeFileSync(join(folder, limitFile), String(limitBytes));
    return {
      launcher: ['/bin/sh', '-c', ENTER, folder],
      add: (pid) => writeFileSync(join(folder, 'cgroup.procs'), String(pid)),
      release: (pid) => {
        try {
          writeFileSync(join(place, 'cgroup.procs'), String(pid));
        } catch (error) {
          if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
        }
      },
      [Symbol.asyncDispose]: () => removeGroup(folder),
    };
  }
  return undefined;
}

/** Returns why this process cannot make groups; undefined if it can. */
export function whyNoMemoryGroups(): string | undefined {
  const group = makeMemoryGroup(`dinf-try-${process.pid}`, TRY_BYTES);
  if (group === undefined) return 'this process may not make control groups of memory';
  void group[Symbol.asyncDispose]();
  return undefined;
}

async function removeGroup(folder: string): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await rmdir(folder);
    } catch (error) {
      if (tries === TRIES) throw error;
      await delay(PAUSE_MS);
    }
  }
}
