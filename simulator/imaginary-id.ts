const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const LENGTH = 56;

/**
 * Returns a provider id that no key belongs to: it has the form of an nkey, and each number gives a
 * different id.
 */
export function imaginaryId(index: number): string {
  let id = '';
  for (let rest = index; rest > 0; rest = Math.floor(rest / LETTERS.length))
    id = `${LETTERS[rest % LETTERS.length]}${id}`;
  return `A${id.padStart(LENGTH - 1, 'A')}`;
}
