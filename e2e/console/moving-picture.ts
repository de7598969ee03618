import { crc32 } from 'node:zlib';

const SIGNATURE_BYTES = 8;
const MS_PER_SECOND = 1_000;

interface Chunk {
  readonly name: string;
  readonly data: Buffer;
}

/**
 * Joins PNG pictures of one size into a moving one (APNG), which shows each for `frameMs` and then
 * begins again. Programs that do not know the format show the first picture.
 */
export function movingPicture(pictures: readonly Buffer[], frameMs: number): Buffer {
  const [first = Buffer.alloc(0)] = pictures;
  const header = partOf(first, 'IHDR');
  let sequence = 0;
  const chunks = pictures.flatMap((picture, index) => {
    if (!partOf(picture, 'IHDR').equals(header)) throw new Error('the pictures differ in size');
    const control = { name: 'fcTL', data: frameControl(sequence++, header, frameMs) };
    const pixels = chunksOf(picture).filter(({ name }) => name === 'IDAT');
    return [
      control,
      ...(index === 0
        ? pixels
        : pixels.map(({ data }) => ({
            name: 'fdAT',
            data: Buffer.concat([numbers(sequence++), data]),
          }))),
    ];
  });
  return Buffer.concat([
    first.subarray(0, SIGNATURE_BYTES),
    ...[
      { name: 'IHDR', data: header },
      { name: 'acTL', data: numbers(pictures.length, 0) },
      ...chunks,
      { name: 'IEND', data: Buffer.alloc(0) },
    ].map(encoded),
  ]);
}

/** Number, width, height, position and time of a frame, which replaces the one before it. */
function frameControl(sequence: number, header: Buffer, frameMs: number): Buffer {
  const delay = Buffer.alloc(6);
  delay.writeUInt16BE(frameMs, 0);
  delay.writeUInt16BE(MS_PER_SECOND, 2);
  return Buffer.concat([numbers(sequence), header.subarray(0, 8), numbers(0, 0), delay]);
}

function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => {
    bytes.writeUInt32BE(value, 4 * index);
  });
  return bytes;
}

function encoded({ name, data }: Chunk): Buffer {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), data]);
  return Buffer.concat([numbers(data.length), body, numbers(crc32(body))]);
}

function chunksOf(picture: Buffer): Chunk[] {
  const chunks: Chunk[] = [];
  let at = SIGNATURE_BYTES;
  while (at < picture.length) {
    const length = picture.readUInt32BE(at);
    const name = picture.toString('latin1', at + 4, at + 8);
    chunks.push({ name, data: picture.subarray(at + 8, at + 8 + length) });
    at += 12 + length;
  }
  return chunks;
}

const partOf = (picture: Buffer, wanted: string): Buffer =>
  chunksOf(picture).find(({ name }) => name === wanted)?.data ?? Buffer.alloc(0);
