import { existsSync, readdirSync } from 'node:fs';

/** Memory of this process in bytes, without the part of the heap that is reserved but empty. */
export function memoryInUse(): number {
  globalThis.gc?.();
  const { rss, heapTotal, heapUsed } = process.memoryUsage();
  return rss - heapTotal + heapUsed;
}

/** Number of open files of this process; 0 where the system does not tell. */
export const openFiles = (): number =>
  existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd').length : 0;
