import { hash } from 'node:crypto';

/**
 * What an operation was about. The same operation with another digest is a conflict, not a repeat.
 */
export function digestOf(fields: readonly (string | number)[]): Buffer {
  return hash('sha256', JSON.stringify(fields), 'buffer');
}
