import { expect, test } from 'vitest';
import { readImageHeader } from './image-header.ts';
import { pngOf } from './images-under-test.ts';

const bytes = (...parts: (string | number[])[]): Buffer =>
  Buffer.concat(parts.map((part) => Buffer.from(part as string)));
const padded = (start: Buffer): Buffer => Buffer.concat([start, Buffer.alloc(40)]);
const webp = (...parts: (string | number[])[]) =>
  padded(bytes('RIFF', [0, 0, 0, 0], 'WEBP', ...parts));
const SIZE = [0, 0, 0, 0];
const FRAME = [0xff, 0xc0, 0, 17, 8, 0x01, 0x02, 0x03, 0x04, 3];
const APPLICATION = [0xff, 0xe0, 0, 4, 0xff, 0xc0];

test.each([
  ['a PNG', pngOf(300, 7), { type: 'png', width: 300, height: 7 }],
  [
    'a JPEG whose frame follows other segments',
    padded(bytes([0xff, 0xd8], APPLICATION, [0xff], FRAME)),
    { type: 'jpeg', width: 0x304, height: 0x102 },
  ],
  [
    'a WebP with loss',
    webp('VP8 ', SIZE, [0, 0, 0, 0x9d, 0x01, 0x2a, 0x2c, 0x41, 7, 0]),
    { type: 'webp', width: 300, height: 7 },
  ],
  [
    'a WebP without loss',
    webp('VP8L', SIZE, [0x2f, 0x2b, 0x81, 0x01, 0]),
    { type: 'webp', width: 300, height: 7 },
  ],
  [
    'a WebP with features',
    webp('VP8X', SIZE, [0, 0, 0, 0, 0x2b, 1, 0, 6, 0, 0]),
    { type: 'webp', width: 300, height: 7 },
  ],
  ['a GIF', padded(bytes('GIF89a', [0x2c, 1, 7, 0])), { type: 'gif', width: 300, height: 7 }],
])('the size of %s', (_, file, header) => {
  expect(readImageHeader(file)).toEqual(header);
});

test.each([
  ['nothing', Buffer.alloc(0)],
  ['a text', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"></svg>')],
  ['a PNG that ends in its header', pngOf(1, 1).subarray(0, 30)],
  ['a PNG without width', pngOf(0, 5)],
  ['a JPEG that ends before its frame', bytes([0xff, 0xd8], APPLICATION, FRAME.slice(0, 6))],
  ['a JPEG whose scan comes before its frame', padded(bytes([0xff, 0xd8, 0xff, 0xda], FRAME))],
  ['a WebP of an unknown kind', webp('VP9 ', SIZE)],
])('%s has no header', (_, file) => {
  expect(readImageHeader(file)).toBeUndefined();
});

test('a JPEG whose segments have no length is read in a bounded number of steps', () => {
  expect(readImageHeader(bytes([0xff, 0xd8], Array(100_000).fill([0xff, 0xe0, 0, 0]).flat()))).toBe(
    undefined,
  );
});
