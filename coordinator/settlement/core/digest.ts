import { hash } from 'node:crypto';

/**
 * Returns the SHA-256 digest of the fields that an operation contains. An operation that is
 * repeated with the same digest is a retry; with another digest it is a conflict.
 */
export function digestOf(fields: readonly (string | number)[]): Buffer {
  return hash('sha256', JSON.stringify(fields), 'buffer');
}
