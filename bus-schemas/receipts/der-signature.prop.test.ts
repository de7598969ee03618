import { generateKeyPairSync, sign, verify } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { derSignature, rawSignature } from './der-signature.ts';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

/** Encodes a number in DER. */
function integer(value: bigint): number[] {
  const hex = value.toString(16);
  const bytes = [...Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')];
  const content = (bytes[0] ?? 0) > 127 ? [0, ...bytes] : bytes;
  return [2, content.length, ...content];
}

const sequence = (...numbers: number[][]) =>
  Uint8Array.from([0x30, numbers.flat().length, ...numbers.flat()]);
const der = (r: bigint, s: bigint) => sequence(integer(r), integer(s));
const raw = (r: bigint, s: bigint) =>
  Buffer.from([r, s].map((value) => value.toString(16).padStart(64, '0')).join(''), 'hex');

/** Generates numbers of all widths equally often: short ones are rare in random signatures. */
const number = fc
  .integer({ min: 0, max: 255 })
  .chain((bits) => fc.bigInt({ min: 1n << BigInt(bits), max: (1n << BigInt(bits + 1)) - 1n }));

test('a signature of OpenSSL in DER verifies after the conversion to r and s', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (text) => {
      const signature = rawSignature(sign('sha256', text, privateKey));
      expect(signature).toHaveLength(64);
      expect(
        verify(
          'sha256',
          text,
          { key: publicKey, dsaEncoding: 'ieee-p1363' },
          signature as Uint8Array,
        ),
      ).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test('short numbers are padded on the left, and long ones lose the zero byte of their sign', () => {
  fc.assert(
    fc.property(number, number, (r, s) => {
      expect(Buffer.from(rawSignature(der(r, s)) ?? [])).toEqual(raw(r, s));
      expect(derSignature(raw(r, s))).toEqual(der(r, s));
    }),
    { numRuns: 500 },
  );
});

test('a signature with one changed byte is rejected, or is the canonical DER of another signature', () => {
  fc.assert(
    fc.property(
      number,
      number,
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      (r, s, place, change) => {
        const changed = der(r, s);
        const at = place % changed.length;
        changed[at] = (changed[at] ?? 0) ^ change;
        const read = rawSignature(changed);
        if (read === undefined) return;
        const hex = Buffer.from(read).toString('hex');
        expect(changed).toEqual(der(BigInt(`0x${hex.slice(0, 64)}`), BigInt(`0x${hex.slice(64)}`)));
      },
    ),
    { numRuns: 1_000 },
  );
});

test('a signature that is cut at any byte, or has a byte too many, is rejected', () => {
  const whole = sign('sha256', Buffer.from('text'), privateKey);
  for (let length = 0; length < whole.length; length++)
    expect(rawSignature(whole.subarray(0, length))).toBeUndefined();
  expect(rawSignature(Buffer.concat([whole, Buffer.of(0)]))).toBeUndefined();
});

const one = [2, 1, 1];
test.each([
  ['an empty array', Uint8Array.of()],
  ['another type than a sequence', Uint8Array.from([0x31, 6, ...one, ...one])],
  ['a sequence of one number', sequence(one)],
  ['a sequence of three numbers', sequence(one, one, one)],
  ['a length in two bytes', Uint8Array.from([0x30, 0x81, 6, ...one, ...one])],
  ['a length without an end', Uint8Array.from([0x30, 0x80, ...one, ...one, 0, 0])],
  ['an element that is not a number', sequence([4, 1, 1], one)],
  ['a number without bytes', sequence([2, 0], one)],
  ['zero', sequence([2, 1, 0], one)],
  ['a negative number', sequence([2, 1, 0x80], one)],
  ['an unnecessary leading zero', sequence([2, 2, 0, 1], one)],
  ['a number of 257 bits', sequence(integer(1n << 256n), one)],
  ['a number that extends beyond the end', sequence([2, 40, 1], one)],
])('%s is rejected', (_, bytes) => {
  expect(rawSignature(bytes)).toBeUndefined();
});
