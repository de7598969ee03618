import { createHash } from 'node:crypto';

/** What an operation was about. The same operation with another digest is a conflict, not a repeat. */
export function digestOf(fields: readonly (string | number)[]): Buffer {
  return createHash('sha256').update(JSON.stringify(fields)).digest();
}
