import { hkdfSync } from 'node:crypto';
import { readFile } from 'node:fs/promises';

const KEY_BYTES = 32;

/**
 * A key for one purpose, derived from the credentials that all components have, and that neither
 * the database nor any provider has.
 */
export const coreKey = (seed: string, purpose: string): Buffer =>
  Buffer.from(hkdfSync('sha256', seed, '', purpose, KEY_BYTES));

/** The secret in a file with the credentials of components. */
export async function readCoreSeed(coreCredentials: string): Promise<string> {
  const text = await readFile(coreCredentials, 'utf8');
  const seed = /NKEY SEED-+\s+(\S+)/.exec(text)?.[1];
  if (seed === undefined)
    throw new Error(
      `${coreCredentials} contains no seed, so these are not the credentials of components`,
    );
  return seed;
}
