import { createHash, randomBytes } from 'node:crypto';

const PREFIX = 'sk-db-';
const SECRET_BYTES = 24;
const HINT_LENGTH = 4;

export interface NewApiKey {
  /** Shown once, to its owner. */
  readonly text: string;
  readonly hash: Uint8Array;
  readonly hint: string;
}

export function makeApiKey(random: (size: number) => Buffer = randomBytes): NewApiKey {
  const text = PREFIX + random(SECRET_BYTES).toString('base64url');
  return { text, hash: createHash('sha256').update(text).digest(), hint: `${PREFIX}…${text.slice(-HINT_LENGTH)}` };
}
