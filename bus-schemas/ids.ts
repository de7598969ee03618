import { randomBytes } from 'node:crypto';
import { Type } from 'typebox';

const ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyz';

export type RandomSource = (size: number) => Uint8Array;

/** Asked for in larger pieces: a system call for each id would cost more than the id. */
const POOL_BYTES = 4_096;
let pool = randomBytes(POOL_BYTES);
let taken = 0;

function pooledBytes(size: number): Uint8Array {
  if (taken + size > POOL_BYTES) {
    pool = randomBytes(POOL_BYTES);
    taken = 0;
  }
  taken += size;
  return pool.subarray(taken - size, taken);
}

/**
 * `size` characters that may stand in a NATS subject, a URL and a file name. Unbiased: bytes past
 * the last multiple of 36 are dropped.
 */
export function randomToken(size: number, random: RandomSource = pooledBytes): string {
  let token = '';
  while (token.length < size) {
    for (const byte of random(size)) {
      if (byte < 252 && token.length < size) token += ALPHABET[byte % 36];
    }
  }
  return token;
}

export const newJobId = (random?: RandomSource): string => `job_${randomToken(22, random)}`;
export const newKeyId = (random?: RandomSource): string => `key_${randomToken(16, random)}`;
export const newIngressId = (random?: RandomSource): string => `in_${randomToken(12, random)}`;
export const newSessionId = (random?: RandomSource): string => `s_${randomToken(12, random)}`;

export const JobId = Type.String({ pattern: '^job_[0-9a-z]{22}$' });
export const IngressId = Type.String({ pattern: '^in_[0-9a-z]{12}$' });
export const SessionId = Type.String({ pattern: '^s_[0-9a-z]{12}$' });
/**
 * A provider is known by the public key of its NATS account: stable over reconnects, impossible to
 * forge on the bus.
 */
export const ProviderId = Type.String({ pattern: '^A[A-Z2-7]{55}$' });
export const AccountId = Type.String({ pattern: '^acct_[0-9a-z]{4,40}$' });
export const KeyId = Type.String({ pattern: '^key_[0-9a-z]{4,40}$' });
/** One exact set of weights. */
const BUILD_PATTERN = '^[A-Za-z0-9][A-Za-z0-9._:/-]*$';
export const BuildId = Type.String({ minLength: 1, maxLength: 128, pattern: BUILD_PATTERN });
/** What a consumer writes in `model`: an alias or a build. */
export const ModelName = Type.String({ minLength: 1, maxLength: 128, pattern: BUILD_PATTERN });
/** The n-th provider's try at a job, counted from 1. */
export const AttemptNumber = Type.Integer({ minimum: 1, maximum: 64 });
