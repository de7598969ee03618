import { Encoder } from '@msgpack/msgpack';
import { describe, expect, test } from 'vitest';
import { Bytes, CodecError, referenceCodec } from '../codec.ts';
import { Type } from '../type.ts';
import { compiledCodec } from './compiled-codec.ts';

const note = Type.Object({
  text: Type.String({ minLength: 1, maxLength: 300 }),
  number: Type.Optional(Type.Number()),
  count: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
  bytes: Type.Optional(Bytes({ max: 70_000 })),
  list: Type.Optional(Type.Array(Type.Integer())),
  counts: Type.Optional(Type.Record(Type.String(), Type.Integer(), { maxProperties: 3 })),
  anything: Type.Optional(Type.Unknown()),
});
const compiled = compiledCodec(note, 1);
const reference = referenceCodec('note', note);
const encoder = new Encoder();
const good = { text: 'words' };

/** A note with the text `x`, and another field whose value is these bytes. */
const noteWith = (name: string, ...value: readonly number[]): Uint8Array =>
  Buffer.concat([
    Buffer.of(0x83, 0xa1, 0x76, 0x01, 0xa4),
    Buffer.from('text'),
    Buffer.of(0xa1, 0x78, 0xa0 | name.length),
    Buffer.from(name),
    Buffer.of(...value),
  ]);

describe('a compiled decoder', () => {
  test.each([
    ['the usual fields', encoder.encode({ v: 1, ...good, number: 1.5, bytes: new Uint8Array(3) })],
    ['fields in another order', encoder.encode({ counts: { a: 1 }, ...good, v: 1 })],
    ['a field twice', noteWith('text', 0xa1, 0x79)],
    ['an integer as a float', noteWith('count', 0xca, 0x40, 0, 0, 0)],
    ['a negative zero', noteWith('count', 0xcb, 0x80, 0, 0, 0, 0, 0, 0, 0)],
    ['a number that is longer than necessary', noteWith('count', 0xcf, 0, 0, 0, 0, 0, 0, 0, 7)],
    ['the largest integer', noteWith('count', 0xcf, 0, 0x1f, ...Array(6).fill(0xff))],
    ['text with a longer head', noteWith('text', 0xdb, 0, 0, 0, 1, 0x79)],
    ['characters of several bytes', encoder.encode({ v: 1, text: 'é🦙ü' })],
    ['a byte order mark', encoder.encode({ v: 1, text: '\ufeffx' })],
    ['a list with a longer head', noteWith('list', 0xdd, 0, 0, 0, 1, 0x07)],
    ['a map with a longer head', noteWith('counts', 0xdf, 0, 0, 0, 1, 0xa1, 0x61, 0x07)],
  ])('reads %s like the reference', (_, bytes) => {
    expect(compiled.decode(bytes)).toStrictEqual(reference.decode(bytes));
  });

  test.each([
    ['another version', encoder.encode({ v: 2, ...good })],
    ['no version', encoder.encode(good)],
    ['a required field less', encoder.encode({ v: 1 })],
    ['a field of another type', encoder.encode({ v: 1, text: 5 })],
    ['a text that is too short', encoder.encode({ v: 1, text: '' })],
    ['a text that is too long', encoder.encode({ v: 1, text: 'x'.repeat(301) })],
    ['NaN', encoder.encode({ v: 1, ...good, number: Number.NaN })],
    ['infinity', encoder.encode({ v: 1, ...good, number: Number.NEGATIVE_INFINITY })],
    ['a fraction', encoder.encode({ v: 1, ...good, count: 1.5 })],
    ['an integer beyond 2^53', noteWith('count', 0xcf, 0, 0x20, 0, 0, 0, 0, 0, 1)],
    ['a negative integer', noteWith('count', 0xd3, ...Array(8).fill(0xff))],
    ['the key __proto__', noteWith('__proto__', 0x81, 0xa1, 0x61, 0x01)],
    [
      'the key __proto__ in a record',
      noteWith('counts', 0x81, 0xa9, ...Buffer.from('__proto__'), 0x01),
    ],
    [
      'a record with too many keys',
      encoder.encode({ v: 1, ...good, counts: { a: 1, b: 2, c: 3, d: 4 } }),
    ],
    ['a list of 2^32 items', noteWith('list', 0xdd, 0xff, 0xff, 0xff, 0xff)],
    ['a list with an item less', noteWith('list', 0x92, 0x01)],
    ['a map of 2^32 fields', noteWith('counts', 0xdf, 0xff, 0xff, 0xff, 0xff)],
    [
      'a text that is longer than the message',
      noteWith('text', 0xdb, 0xff, 0xff, 0xff, 0xff, 0x79),
    ],
    ['bytes that are longer than the message', noteWith('bytes', 0xc4, 0x02, 0x01)],
    ['a length that is cut off', noteWith('text', 0xdb, 0)],
    ['a number that is cut off', noteWith('count', 0xcf, 0, 0)],
    ['an extension', noteWith('anything', 0xd4, 0x05, 0x00)],
    ['a timestamp', noteWith('anything', 0xd6, 0xff, 0, 0, 0, 0)],
    ['an endless list', noteWith('anything', ...Array(500).fill(0x91))],
    ['a byte too many', Buffer.concat([encoder.encode({ v: 1, ...good }), Buffer.of(0)])],
    ['nothing', new Uint8Array(0)],
  ])('leaves a message with %s to the reference, which refuses it', (_, bytes) => {
    expect(compiled.decode(bytes)).toBeUndefined();
    expect(() => reference.decode(bytes)).toThrow(CodecError);
  });

  test.each([
    ['an unknown field', encoder.encode({ v: 1, ...good, later: { a: 1 } })],
    ['a part that it does not cover', encoder.encode({ v: 1, ...good, anything: [1] })],
    [
      'a key that is a number',
      Buffer.concat([encoder.encode({ v: 1, ...good }), Buffer.of(7, 7)]).fill(0x83, 0, 1),
    ],
    [
      'a key with a longer head',
      Buffer.concat([
        Buffer.of(0x82, 0xa1, 0x76, 0x01, 0xd9, 0x04),
        Buffer.from('text'),
        Buffer.of(0xa1, 0x78),
      ]),
    ],
    ['invalid UTF-8', noteWith('text', 0xa2, 0xc3, 0x28)],
    ['an encoded surrogate', noteWith('text', 0xa3, 0xed, 0xa0, 0x80)],
    ['a replacement character', encoder.encode({ v: 1, text: '\ufffd' })],
    [
      'a long text with a byte order mark',
      encoder.encode({ v: 1, text: `\ufeff${'x'.repeat(250)}` }),
    ],
    ['more than 64 KiB', encoder.encode({ v: 1, ...good, bytes: new Uint8Array(65_536) })],
    [
      'a text whose characters are longer than one',
      encoder.encode({ v: 1, text: `${'x'.repeat(299)}🦙` }),
    ],
  ])('leaves a message with %s to the reference, which reads it', (_, bytes) => {
    expect(compiled.decode(bytes)).toBeUndefined();
    expect(reference.decode(bytes)).toBeDefined();
  });
});

/** Around these sizes, the head of a text, of bytes, of a list or of a map becomes longer. */
const SIZES = [0, 1, 15, 16, 28, 29, 31, 32, 40, 41, 255, 256, 4_000, 9_000];
const NUMBERS = [
  0x20, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff,
]
  .flatMap((number) => [number, number + 1, -number, -number - 1])
  .concat(0, -0, -1, 2 ** 53 - 1, -(2 ** 53) + 1, 2 ** 53, -(2 ** 53), 0.1, -1.5, 1e300)
  .concat(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY);

const fieldsOf = (size: number): Record<string, number> =>
  Object.fromEntries(Array.from({ length: size }, (_, index) => [`${index}`, 1]));

describe('a compiled encoder', () => {
  const ofSize = SIZES.flatMap((size): [string, object][] => [
    [`a text of ${size} characters`, { text: 'x'.repeat(size) }],
    [`a text of ${size} Greek letters`, { text: 'λ'.repeat(size) }],
    [`${size} bytes`, { bytes: new Uint8Array(size).fill(7) }],
    [`a list of ${size} numbers`, { list: Array(size).fill(7) }],
    [`a map of ${size} fields`, { counts: fieldsOf(size) }],
  ]);
  const numbers = NUMBERS.map((number): [string, object] => [`the number ${number}`, { number }]);
  const others: [string, object][] = [
    ['fields in another order', { counts: { a: 1 }, text: 'words', count: 1 }],
    ['a decoded message', { text: 'words', v: 1 }],
    ['an undefined field', { text: 'words', count: undefined }],
  ];
  test.each([...ofSize, ...numbers, ...others])('writes %s like the reference', (_, value) => {
    const written = compiled.encode(value);
    expect(written && Buffer.from(written)).toStrictEqual(Buffer.from(reference.encode(value)));
  });

  test.each([
    ['an unknown field', { ...good, later: 1 }],
    ['another version', { ...good, v: 2 }],
    ['another type', { text: 5 }],
    ['null', { text: null }],
    ['a date', { ...good, counts: new Date(0) }],
    ['other numbers than bytes', { ...good, bytes: new Uint16Array(2) }],
    ['a part that it does not cover', { ...good, anything: 1 }],
    ['a lone surrogate', { text: '\ud83e' }],
    ['more than 64 KiB', { ...good, bytes: new Uint8Array(65_536) }],
    ['many short values', { ...good, list: Array(65_536).fill(1) }],
    [
      'many long texts',
      {
        ...good,
        counts: fieldsOf(12_000),
      },
    ],
    ['no fields', null],
  ])('leaves a message with %s to the reference', (_, value) => {
    expect(compiled.encode(value)).toBeUndefined();
  });

  test('writes messages that do not change with the next one', () => {
    const first = compiled.encode({ text: 'first' });
    compiled.encode({ text: 'other' });
    expect(compiled.decode(first as Uint8Array)).toMatchObject({ text: 'first' });
  });

  test('writes after a message that it left', () => {
    compiled.encode({ text: 5 });
    expect(compiled.encode(good)).toBeDefined();
  });
});
