import type { readFile } from 'node:fs/promises';
import { resolve, sep } from 'node:path';

const ROOT = `${resolve(import.meta.dirname, '../..')}${sep}`;

type ReadFile = typeof readFile;

/**
 * Reads each file of the program once. Every component that starts reads all migrations; from a
 * disk this takes as long as the rest of its start. A later reader waits for a turn of the event
 * loop as the first one does, so that the order of events is the same.
 */
export function fromProgram(read: ReadFile, nextTurn: (done: () => void) => void): ReadFile {
  const known = new Map<string, Buffer>();
  const readKnown = async (...parameters: Parameters<ReadFile>): Promise<Buffer | string> => {
    const [path, options] = parameters;
    if (typeof path !== 'string' || !resolve(path).startsWith(ROOT)) return read(...parameters);
    const bytes = known.get(path) ?? (await read(path));
    if (known.has(path)) await new Promise<void>((done) => nextTurn(done));
    known.set(path, bytes);
    const encoding = typeof options === 'string' ? options : options?.encoding;
    return encoding ? bytes.toString(encoding) : Buffer.from(bytes);
  };
  return readKnown as ReadFile;
}
