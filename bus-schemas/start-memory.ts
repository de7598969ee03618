import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Time after the start of a process, in milliseconds; commands that end sooner do not pay for it. */
const AFTER_MS = 5_000;

/**
 * Gives back the memory that a process needed only to start: texts of modules, and room for young objects that
 * V8 would keep until the process has more work. Call it once, when the process serves.
 */
export function releaseStartMemory(afterMs = AFTER_MS): void {
  setTimeout(() => {
    // Node offers the collector only with this flag, which counts for contexts that are made after it.
    setFlagsFromString('--expose-gc');
    const collect: NodeJS.GCFunction = runInNewContext('gc');
    setFlagsFromString('--no-expose-gc');
    collect({ execution: 'sync', flavor: 'last-resort', type: 'major' });
  }, afterMs).unref();
}
