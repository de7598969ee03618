import { createHmac, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { readOrCreate } from '#bus-schemas/saved-file.ts';
import type { PrefixStoreLimits } from './prefix-store.ts';

/** What the process of an engine needs to keep prefixes of prompts on the disk. */
export interface PrefixSettings {
  readonly folder: string;
  /** In hexadecimal digits. */
  readonly secret: string;
  readonly limits: PrefixStoreLimits;
  /** Version of this program. */
  readonly version: string;
}

interface OwnersLimits {
  /** 0 turns the cache off. */
  readonly gigabytes: number;
  readonly hours: number;
  readonly dailyGigabytes: number;
}

const GIGABYTE = 1e9;
const HOUR_MS = 3_600_000;
const SECRET_BYTES = 32;
/** Bytes of the disk that the cache leaves to other programs. */
const FREE_BYTES = 10 * GIGABYTE;

/** The folder with the stored pages, in the folder of a machine. */
export const prefixFolder = (home: string): string => join(home, 'prefix-cache');

/** The secret from which the keys of all files are derived, together with the text of a request. */
export async function prefixSecret(home: string): Promise<string> {
  return readOrCreate(join(home, 'prefix-cache.key'), async () =>
    randomBytes(SECRET_BYTES).toString('hex'),
  );
}

/** Undefined if the owner has turned the cache off. */
export async function prefixSettings(
  home: string,
  { gigabytes, hours, dailyGigabytes }: OwnersLimits,
  version: string,
): Promise<PrefixSettings | undefined> {
  if (gigabytes === 0) return undefined;
  return {
    folder: prefixFolder(home),
    secret: await prefixSecret(home),
    version,
    limits: {
      mostBytes: gigabytes * GIGABYTE,
      mostAgeMs: hours * HOUR_MS,
      dailyBytes: dailyGigabytes * GIGABYTE,
      freeBytes: FREE_BYTES,
    },
  };
}

/**
 * The scope of the owner's own requests, which stays the same after a restart. It is secret, because a
 * customer who knew it could probe the cache for the owner's prompts.
 */
export const ownersScope = (secret: string): string =>
  createHmac('sha256', secret).update("dinf scope of the owner's programs").digest('base64url');
