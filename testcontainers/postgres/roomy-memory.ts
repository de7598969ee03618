import { statfs } from 'node:fs/promises';
import { freemem } from 'node:os';
import { MEMORY_FOLDER } from '#bus-schemas/memory-folder.ts';

const TMPFS = 0x01021994;
/** Room for the databases of all tests that run at once, with their logs of transactions. */
const LEAST_BYTES = 2 * 1024 ** 3;

/** Returns a folder in memory for many files; undefined where there is none, or not enough free memory. */
export async function roomyMemory(): Promise<string | undefined> {
  const found = await statfs(MEMORY_FOLDER).catch(() => undefined);
  const hasRoom =
    found?.type === TMPFS &&
    found.bavail * found.bsize >= LEAST_BYTES &&
    freemem() >= 2 * LEAST_BYTES;
  return hasRoom ? MEMORY_FOLDER : undefined;
}
