import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { setting } from '#bus-schemas/settings/settings.ts';
import { readInlineImages, UnusableImage } from '#http-api/core/images/inline-image.ts';
import { ImageDecoder } from './image-decoder.ts';

const fixtures: Record<string, { file: string }> = JSON.parse(
  readFileSync(new URL('./fixtures/images.json', import.meta.url), 'utf8'),
);
const files = Object.values(fixtures).map(({ file }) => Buffer.from(file, 'base64'));
/** The test runs for a few seconds by default, and longer under `npm run fuzz`. */
const FUZZ_MS = 1_000 * (setting('DINF_FUZZ_SECONDS') ?? 6);
/** Most memory that decoding one damaged file may add, in bytes: an image of the most pixels. */
const MOST_BYTES = 1_000_000_000;

interface Damage {
  readonly file: number;
  readonly end: number;
  readonly edits: readonly (readonly [number, number])[];
}
const damages: fc.Arbitrary<Damage> = fc.record({
  file: fc.nat(files.length - 1),
  /** The share of the file that is left. */
  end: fc.oneof(fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true })),
  /** Places as shares of the file, mostly near its beginning, and new bytes. */
  edits: fc.array(
    fc.tuple(
      fc.double({ min: 0, max: 1, noNaN: true }).map((place) => place ** 3),
      fc.nat(255),
    ),
    { maxLength: 8 },
  ),
});

function damaged({ file, end, edits }: Damage): string {
  const bytes = Buffer.from(files[file] as Buffer);
  for (const [place, value] of edits) bytes[Math.floor(place * (bytes.length - 1))] = value;
  return bytes.subarray(0, Math.floor(end * bytes.length)).toString('base64');
}

test(
  'a damaged file is decoded or refused, and never ends or fills the process',
  async () => {
    const decoder = new ImageDecoder();
    let tried = 0;
    await fc.assert(
      fc.asyncProperty(damages, async (damage) => {
        const before = process.memoryUsage().rss;
        tried += 1;
        try {
          const [image] = readInlineImages([`data:image/png;base64,${damaged(damage)}`]);
          if (image === undefined) throw new Error('no image was read');
          const scaled = { width: 4, height: 4, filter: 'bilinear' } as const;
          expect((await decoder.decode(image, scaled)).numbers).toHaveLength(48);
        } catch (error) {
          expect(error).toBeInstanceOf(UnusableImage);
        }
        expect(process.memoryUsage().rss - before).toBeLessThan(MOST_BYTES);
      }),
      { numRuns: 10_000_000, interruptAfterTimeLimit: FUZZ_MS, markInterruptAsFailure: false },
    );
    expect(tried).toBeGreaterThan(0);
  },
  FUZZ_MS + 60_000,
);
