import { readFileSync } from 'node:fs';
import type { readFile } from 'node:fs/promises';
import { resolve, sep } from 'node:path';
import { failure } from './sockets.ts';

const ROOT = `${resolve(import.meta.dirname, '../..')}${sep}`;
/** The tables of the kernel: of the computer that runs the worlds, not of a host in them. */
const KERNEL = '/proc/';

type ReadFile = typeof readFile;

/**
 * Reads files at once, and each file of the program only once. Every component that starts reads
 * all migrations; from a disk this takes as long as the rest of its start. A host has no tables of
 * a kernel: an ingress would otherwise look for its clients among the connections of this computer.
 */
export function fileReader(): ReadFile {
  const known = new Map<string, Buffer>();
  const read = async (...parameters: Parameters<ReadFile>): Promise<Buffer | string> => {
    const [path, options] = parameters;
    if (typeof path === 'string' && path.startsWith(KERNEL))
      throw failure('ENOENT', `ENOENT: no such file or directory, open '${path}'`);
    if (typeof path !== 'string' || !resolve(path).startsWith(ROOT))
      return readFileSync(path as string, options as BufferEncoding);
    const bytes = known.get(path) ?? readFileSync(path);
    known.set(path, bytes);
    const encoding = typeof options === 'string' ? options : options?.encoding;
    return encoding ? bytes.toString(encoding) : Buffer.from(bytes);
  };
  return read as ReadFile;
}
