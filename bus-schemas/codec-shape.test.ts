import { Decoder, Encoder } from '@msgpack/msgpack';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isWholeValue } from './codec-shape.ts';

const encoder = new Encoder();
const leaf = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double(),
  fc.string({ maxLength: 300 }),
  fc.uint8Array({ maxLength: 300 }),
);
const value = fc.letrec<{ node: unknown }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small' },
    leaf,
    fc.array(tie('node'), { maxLength: 40 }),
    fc.dictionary(fc.string(), tie('node'), { maxKeys: 40 }),
  ),
})).node;

test('every encoded value is complete, and no part of it is', () => {
  fc.assert(
    fc.property(value, fc.nat(), (whatever, cut) => {
      const bytes = encoder.encode(whatever);
      expect(isWholeValue(bytes)).toBe(true);
      expect(isWholeValue(bytes.subarray(0, cut % bytes.length))).toBe(false);
      expect(isWholeValue(Buffer.concat([bytes, Uint8Array.of(0)]))).toBe(false);
    }),
    { numRuns: 500 },
  );
});

test.each([
  ['text with a length of 16 bits', 'a'.repeat(40_000)],
  ['text with a length of 32 bits', 'a'.repeat(70_000)],
  ['bytes with a length of 16 bits', new Uint8Array(40_000)],
  ['bytes with a length of 32 bits', new Uint8Array(70_000)],
  ['a list with a length of 16 bits', Array.from({ length: 40_000 }, () => 1)],
  ['a list with a length of 32 bits', Array.from({ length: 70_000 }, () => 1)],
  [
    'a map with a length of 16 bits',
    Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`k${index}`, index])),
  ],
  [
    'a map with a length of 32 bits',
    Object.fromEntries(Array.from({ length: 70_000 }, (_, index) => [`k${index}`, index])),
  ],
])('%s is complete', (_, whatever) => {
  expect(isWholeValue(encoder.encode(whatever))).toBe(true);
});

test('bytes that the decoder accepts are a complete value', () => {
  const decoder = new Decoder({ maxArrayLength: 100, maxMapLength: 100, maxExtLength: 0 });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      // A timestamp of length 0 is the only extension that the decoder accepts.
      fc.pre(!bytes.includes(0xc7) && !bytes.includes(0xc8) && !bytes.includes(0xc9));
      let read = true;
      try {
        decoder.decode(bytes);
      } catch {
        read = false;
      }
      if (read) expect(isWholeValue(bytes)).toBe(true);
    }),
    { numRuns: 5_000 },
  );
});

test('a value has at most 80 levels', () => {
  const nested = (levels: number) => Buffer.concat([Buffer.alloc(levels, 0x91), Uint8Array.of(1)]);
  expect(isWholeValue(nested(80))).toBe(true);
  expect(isWholeValue(nested(81))).toBe(false);
});
