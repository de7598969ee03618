/** Writes the results of encodings as lines, which `encoding-results.ts` reads. */

export function vectorLine(vector: Float32Array): string {
  const bytes = Buffer.alloc(vector.byteLength);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const [at, value] of vector.entries())
    view.setFloat32(at * Float32Array.BYTES_PER_ELEMENT, value, true);
  return `${bytes.toString('base64')}\n`;
}

/** `score` is a relevance from 0 to 1. */
export const scoreLine = (score: number): string => `${score}\n`;
