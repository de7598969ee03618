const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const LENGTH = 56;

/** The id of a provider that is nobody's: what has its form, and is not the same for two numbers. */
export function imaginaryId(index: number): string {
  let id = '';
  for (let rest = index; rest > 0; rest = Math.floor(rest / LETTERS.length)) id = `${LETTERS[rest % LETTERS.length]}${id}`;
  return `A${id.padStart(LENGTH - 1, 'A')}`;
}
