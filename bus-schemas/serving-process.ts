import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Time after the start of a process, in milliseconds; commands that end sooner do not pay for it. */
const AFTER_MS = 5_000;

/**
 * Numbers of calls after which V8 compiles a function again, into faster code. V8's own limits are 400 for the second
 * compiler, 3,000 for the third, and 500 more after a value of a new type. Most functions of a coordinator are called once
 * or a few times for each request, so it would run slow code for thousands of requests.
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
