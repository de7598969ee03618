/**
 * The lines of an answer with results. They were checked when they arrived, so they are read here
 * without another check.
 */
export const resultLines = (text: string): string[] => text.split('\n').slice(0, -1);

/** The numbers of a vector, from its line. */
export function numbersOf(line: string): number[] {
  const bytes = Buffer.from(line, 'base64');
  const numbers: number[] = [];
  for (let at = 0; at < bytes.length; at += Float32Array.BYTES_PER_ELEMENT)
    numbers.push(bytes.readFloatLE(at));
  return numbers;
}
