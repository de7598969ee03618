import { readFileSync } from 'node:fs';
import type { readFile } from 'node:fs/promises';
import { resolve, sep } from 'node:path';

const ROOT = `${resolve(import.meta.dirname, '../..')}${sep}`;

type ReadFile = typeof readFile;

/**
 * Reads files at once, and each file of the program only once. Every component that starts reads
 * all migrations; from a disk this takes as long as the rest of its start.
 */
export function fileReader(): ReadFile {
  const known = new Map<string, Buffer>();
  const read = async (...parameters: Parameters<ReadFile>): Promise<Buffer | string> => {
    const [path, options] = parameters;
    if (typeof path !== 'string' || !resolve(path).startsWith(ROOT))
      return readFileSync(path as string, options as BufferEncoding);
    const bytes = known.get(path) ?? readFileSync(path);
    known.set(path, bytes);
    const encoding = typeof options === 'string' ? options : options?.encoding;
    return encoding ? bytes.toString(encoding) : Buffer.from(bytes);
  };
  return read as ReadFile;
}
