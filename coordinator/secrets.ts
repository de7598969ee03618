import { createHash, randomBytes } from 'node:crypto';

/**
 * Secrets that the coordinator creates for customers and operators. It stores only their hashes,
 * and sends only hashes over the bus.
 */

const SECRET_BYTES = 24;
const HINT_LENGTH = 4;

export interface NewSecret {
  /** The secret itself. It is shown once, to its owner. */
  readonly text: string;
  readonly hash: Uint8Array;
  readonly hint: string;
}

export const makeApiKey = (): NewSecret => makeSecret('sk-db-');
/** The value of the cookie of a console session. */
export const makeSessionCookie = (): NewSecret => makeSecret('cs-db-');
/** The value of the cookie of an operator's session. */
export const makeOperatorCookie = (): NewSecret => makeSecret('os-db-');
/** A code that signs its owner in to the console once. */
export const makeSignInCode = (): NewSecret => makeSecret('in-db-');
export const makeOperatorKey = (): NewSecret => makeSecret('op-db-');

function makeSecret(prefix: string): NewSecret {
  const text = prefix + randomBytes(SECRET_BYTES).toString('base64url');
  return { text, hash: hashOf(text), hint: `${prefix}…${text.slice(-HINT_LENGTH)}` };
}

/** Returns the hash by which a secret is stored and found. */
export function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
