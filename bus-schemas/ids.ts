import { randomBytes } from '#bus-schemas/platform.ts';
import { Type } from './type.ts';

const ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyz';

export type RandomSource = (size: number) => Uint8Array;

/**
 * Random bytes are requested in blocks of this size, because a system call for each id would cost
 * more than the id.
 */
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
 * Returns `size` characters that are allowed in a NATS subject, a URL and a file name. Bytes above
 * the last multiple of 36 are dropped, so that all characters are equally probable.
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
export const newConsoleSessionId = (random?: RandomSource): string =>
  `sess_${randomToken(16, random)}`;
export const newSessionId = (random?: RandomSource): string => `s_${randomToken(12, random)}`;

export const JobId = Type.String({ pattern: '^job_[0-9a-z]{22}$' });
export const IngressId = Type.String({ pattern: '^in_[0-9a-z]{12}$' });
export const SessionId = Type.String({ pattern: '^s_[0-9a-z]{12}$' });
export const ConsoleSessionId = Type.String({ pattern: '^sess_[0-9a-z]{16}$' });
/**
 * The id of a provider is the public key of its NATS account. It stays the same after a reconnect
 * and cannot be forged on the bus.
 */
export const ProviderId = Type.String({ pattern: '^A[A-Z2-7]{55}$' });
export const AccountId = Type.String({ pattern: '^acct_[0-9a-z]{4,40}$' });
export const KeyId = Type.String({ pattern: '^key_[0-9a-z]{4,40}$' });
/** Pattern of the name of a build: one exact set of weights. */
const BUILD_PATTERN = '^[A-Za-z0-9][A-Za-z0-9._:/-]*$';
export const BuildId = Type.String({ minLength: 1, maxLength: 128, pattern: BUILD_PATTERN });
/** Value of `model` in a request: an alias or a build. */
export const ModelName = Type.String({ minLength: 1, maxLength: 128, pattern: BUILD_PATTERN });
/** Number of an attempt of a job, counted from 1. */
export const AttemptNumber = Type.Integer({ minimum: 1, maximum: 64 });
