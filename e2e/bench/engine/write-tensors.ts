import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';

export interface WrittenTensor {
  readonly name: string;
  readonly type: 'U32' | 'F16' | 'F32';
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** Writes a file in the format safetensors. */
export async function writeTensors(path: string, tensors: readonly WrittenTensor[]): Promise<void> {
  let end = 0;
  const entries = tensors.map(({ name, type, shape, bytes }) => {
    const begin = end;
    end += bytes.length;
    return [name, { dtype: type, shape, data_offsets: [begin, end] }] as const;
  });
  const header = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  await writePieces(path, [length, header, ...tensors.map(({ bytes }) => bytes)]);
}

export async function writePieces(path: string, pieces: Iterable<Uint8Array>): Promise<void> {
  const file = createWriteStream(path);
  for (const piece of pieces) if (!file.write(piece)) await once(file, 'drain');
  file.end();
  await finished(file);
}
