import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';

const SHA256_CHARACTERS = 64;

/**
 * A running digest in the form that the hub states: SHA-256 of large files, and for small ones git's
 * SHA-1, which covers the length too.
 */
export function digestFor({ digest, bytes }: { digest: string; bytes: number }): Hash {
  return digest.length === SHA256_CHARACTERS
    ? createHash('sha256')
    : createHash('sha1').update(`blob ${bytes}\0`);
}

/** Adds the content of a file to a digest. */
export async function addFile(hash: Hash, path: string): Promise<Hash> {
  for await (const piece of createReadStream(path, { highWaterMark: 4 * 1024 * 1024 }))
    hash.update(piece as Buffer);
  return hash;
}
