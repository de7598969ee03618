import { existsSync } from 'node:fs';
import { makeMemoryGroup } from '#testcontainers';
import type { Heal } from './faults.ts';
import type { Part } from './part.ts';

/** Memory that the process may take in addition to what it has, in bytes. */
const MORE_BYTES = 1024 * 1024;
let groups = 0;

/**
 * Moves a running process into a control group. Its present memory is not counted there: it may take
 * a little more, and the kernel ends it when it needs more than that.
 */
export function limitMemory(part: Part): Heal {
  const { pid } = part;
  groups += 1;
  const group = makeMemoryGroup(`dinf-chaos-${process.pid}-${groups}`, MORE_BYTES);
  if (group === undefined) throw new Error('there are no memory groups');
  group.add(pid);
  return async () => {
    const isDead = !existsSync(`/proc/${pid}`);
    group.release(pid);
    await group[Symbol.asyncDispose]();
    await part.whenRunning();
    return isDead ? 'the kernel ended it' : 'it did with what it had';
  };
}
