import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { deflateSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { pngChunk, pngOf } from '#http-api/core/images/images-under-test.ts';
import { type InlineImage, readInlineImages } from '#http-api/core/images/inline-image.ts';
import { ImageDecoder } from './image-decoder.ts';
import { type ScalingFilter, scaleImage } from './scale-image.ts';

interface Fixture {
  readonly file: string;
  readonly scaled?: readonly {
    readonly width: number;
    readonly height: number;
    readonly filter: ScalingFilter;
    readonly sha256: string;
  }[];
}
/** Images in all forms, and what Pillow reads from them (fixtures/make.py). */
const fixtures: Record<string, Fixture> = JSON.parse(
  readFileSync(new URL('./fixtures/images.json', import.meta.url), 'utf8'),
);
const imageOf = (file: string): InlineImage =>
  readInlineImages([`data:image/png;base64,${file}`])[0] as InlineImage;
const scaled = { width: 4, height: 4, filter: 'bicubic' } as const;
const digestOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const decoder = new ImageDecoder();

describe.each(Object.entries(fixtures))('%s', (_, { file, scaled: expected }) => {
  test.runIf(expected)('has the pixels of Pillow, in every size', async () => {
    const [whole, ...others] = expected ?? [];
    if (whole === undefined) throw new Error('the image has no expected pixels');
    const { numbers } = await decoder.decode(imageOf(file), whole);
    expect(digestOf(numbers)).toBe(whole.sha256);
    for (const { sha256, ...size } of others) {
      const image = { ...whole, numbers, channels: 3 } as const;
      expect(digestOf(scaleImage(image, size)), JSON.stringify(size)).toBe(sha256);
    }
  });

  test.skipIf(expected)('is refused', async () => {
    await expect(decoder.decode(imageOf(file), scaled)).rejects.toThrow('not supported');
  });
});

test('an image whose decoding takes too long is refused, and the next one is decoded', async () => {
  const impatient = new ImageDecoder({ limitMs: 1 });
  const image = imageOf(pngOf(3_000, 3_000).toString('base64'));
  await expect(impatient.decode(image, scaled)).rejects.toMatchObject({
    cause: expect.stringContaining('within 1 ms'),
  });
  expect((await decoder.decode(image, scaled)).numbers).toHaveLength(48);
});

test('a file with fewer rows than its header names is refused', async () => {
  const image = imageOf(pngOf(4_000, 4_000, 1).toString('base64'));
  await expect(decoder.decode(image, scaled)).rejects.toThrow('damaged');
});

test('a profile that decompresses to gigabytes does not fill the memory', async () => {
  const before = process.memoryUsage().rss;
  const png = pngOf(8, 8);
  const profile = Buffer.concat([
    Buffer.from('a\0\0'),
    deflateSync(Buffer.alloc(100_000_000), { level: 9 }),
  ]);
  const end = 33;
  const image = imageOf(
    Buffer.concat([
      png.subarray(0, end),
      pngChunk('iCCP', profile),
      pngChunk('zTXt', profile),
      png.subarray(end),
    ]).toString('base64'),
  );
  let most = 0;
  const watch = setInterval(() => {
    most = Math.max(most, process.memoryUsage().rss);
  }, 5);
  await decoder.decode(image, scaled).catch(() => undefined);
  clearInterval(watch);
  expect(most - before).toBeLessThan(80_000_000);
});
