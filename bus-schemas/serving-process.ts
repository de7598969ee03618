import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Time after the start of a process, in milliseconds; commands that end sooner do not pay for it. */
const AFTER_MS = 5_000;

/**
 * After so many calls V8 compiles a function anew, with more care. By itself it waits for 400 and 3,000, and for 500
 * after the last new kind of value. Most functions here run a few times in each request, so that a coordinator would run
 * slow code for its first ten thousand requests.
 */
const COMPILED_AFTER = [
  '--invocation-count-for-maglev=100',
  '--invocation-count-for-turbofan=600',
  '--minimum-invocations-after-ic-update=100',
];

/**
 * Tells V8 that this process now serves for hours: it compiles functions sooner, and gives back the memory that only the
 * start needed. Call it once, when the process serves.
 */
export function tuneForServing({ collectAfterMs = AFTER_MS } = {}): void {
  for (const flag of COMPILED_AFTER) setFlagsFromString(flag);
  setTimeout(collectStartMemory, collectAfterMs).unref();
}

/** Collects texts of modules, and the room for young objects that V8 would keep until the process has more work. */
function collectStartMemory(): void {
  // Node offers the collector only with this flag, which counts for contexts that are made after it.
  setFlagsFromString('--expose-gc');
  const collect: NodeJS.GCFunction = runInNewContext('gc');
  setFlagsFromString('--no-expose-gc');
  collect({ execution: 'sync', flavor: 'last-resort', type: 'major' });
}
