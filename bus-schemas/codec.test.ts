import { Encoder } from '@msgpack/msgpack';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Bytes, CodecError, defineMessage, MAX_MESSAGE_BYTES } from './codec.ts';
import { Type } from './type.ts';

const fields = {
  text: Type.String({ maxLength: 100 }),
  count: Type.Integer({ minimum: 0 }),
  bytes: Bytes({ max: 8 }),
};
const Note = defineMessage('note', Type.Object(fields));
const good = { text: 'secret words', count: 1, bytes: Uint8Array.of(1, 2) };
const encoder = new Encoder();
const errorOf = (bytes: Uint8Array) => {
  try {
    Note.decode(bytes);
  } catch (error) {
    return error;
  }
  return undefined;
};
const coded = (code: string) => expect.objectContaining({ name: 'CodecError', code, kind: 'note' });

describe('a message', () => {
  test('is the same after encoding and decoding', () => {
    expect(Note.decode(Note.encode(good))).toMatchObject(good);
  });

  test('can be extended without being decoded', () => {
    const Wider = defineMessage(
      'note',
      Type.Object({ ...fields, more: Type.Optional(Type.String()) }),
      200,
    );
    const extended = Wider.extended(Note.encode(good), { more: 'words' });
    expect(extended).toEqual(encoder.encode({ v: 1, ...good, more: 'words' }));
    expect(Wider.decode(extended)).toMatchObject({ ...good, more: 'words' });
    expect(() => Wider.extended(Note.encode(good), { more: 'x'.repeat(200) })).toThrow(
      coded('too_large'),
    );
    const many = Object.fromEntries(Array.from({ length: 15 }, (_, index) => [`f${index}`, index]));
    expect(() => Wider.extended(Note.encode(good), many)).toThrow(coded('malformed'));
    expect(() => Wider.extended(Uint8Array.of(0xc0), { more: 'words' })).toThrow(
      coded('malformed'),
    );
  });

  test('with unknown fields is accepted', () => {
    expect(
      Note.decode(encoder.encode({ v: 1, ...good, fromTheFuture: [1, { two: 3 }] })),
    ).toMatchObject(good);
  });

  test('that is cut off anywhere is malformed', () => {
    const whole = Note.encode(good);
    for (let length = 0; length < whole.length; length += 1)
      expect(errorOf(whole.subarray(0, length))).toEqual(coded('malformed'));
  });

  test.each([
    ['of another version', encoder.encode({ v: 2, ...good }), 'unsupported_version'],
    ['without a version', encoder.encode(good), 'unsupported_version'],
    ['that is a list', encoder.encode([1]), 'malformed'],
    ['that is null', encoder.encode(null), 'malformed'],
    [
      'with a number in a text field',
      encoder.encode({ v: 1, ...good, text: 5 }),
      'schema_mismatch',
    ],
    [
      'with a fraction in a count field',
      encoder.encode({ v: 1, ...good, count: 1.5 }),
      'schema_mismatch',
    ],
    [
      'with NaN in a count field',
      encoder.encode({ v: 1, ...good, count: Number.NaN }),
      'schema_mismatch',
    ],
    [
      'with infinity in a count field',
      encoder.encode({ v: 1, ...good, count: Number.POSITIVE_INFINITY }),
      'schema_mismatch',
    ],
    [
      'with text in a bytes field',
      encoder.encode({ v: 1, ...good, bytes: 'ab' }),
      'schema_mismatch',
    ],
    [
      'with too many bytes',
      encoder.encode({ v: 1, ...good, bytes: new Uint8Array(9) }),
      'schema_mismatch',
    ],
    ['of an extension type', Uint8Array.of(0x81, 0xa1, 0x76, 0xc7, 0x01, 0x05, 0x00), 'malformed'],
    ['with a timestamp', encoder.encode({ v: 1, ...good, at: new Date(0) }), 'malformed'],
    [
      'with a byte after its end',
      Buffer.concat([Note.encode(good), Uint8Array.of(0)]),
      'malformed',
    ],
    ['that exceeds the size limit', new Uint8Array(MAX_MESSAGE_BYTES + 1), 'too_large'],
  ])('%s is refused', (_, bytes, code) => {
    expect(errorOf(bytes)).toEqual(coded(code));
  });

  test('that is too large is refused when it is encoded', () => {
    const Large = defineMessage(
      'large',
      Type.Object({ bytes: Bytes({ max: MAX_MESSAGE_BYTES * 2 }) }),
    );
    expect(() => Large.encode({ bytes: new Uint8Array(MAX_MESSAGE_BYTES) })).toThrow(CodecError);
  });

  test('is refused with the name of the field but without its content', () => {
    const error = errorOf(encoder.encode({ v: 1, ...good, count: -1 }));
    expect(error).toMatchObject({ message: expect.stringContaining('/count') });
    expect(String(error)).not.toContain('secret');
  });

  test('cannot change the prototype of objects', () => {
    const hostile = Buffer.concat([
      Uint8Array.of(0x82, 0xa1, 0x76, 0x01, 0xa9),
      Buffer.from('__proto__'),
      Uint8Array.of(0x81, 0xa8),
      Buffer.from('polluted'),
      Uint8Array.of(0xc3),
    ]);
    errorOf(hostile);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  test('with endless nesting, or with an announced size that it does not have, is refused', () => {
    const deep = Buffer.alloc(MAX_MESSAGE_BYTES - 1, 0x91);
    const greedy = Uint8Array.of(0x81, 0xa1, 0x76, 0xdd, 0xff, 0xff, 0xff, 0xff);
    expect(errorOf(deep)).toEqual(coded('malformed'));
    expect(errorOf(greedy)).toEqual(coded('malformed'));
    // The decoder still works.
    expect(Note.decode(Note.encode(good))).toMatchObject(good);
  });

  test('that would make the decoder fill the memory is refused before decoding', () => {
    const header = Uint8Array.of(0xdd, 0x00, 0x0f, 0x42, 0x40);
    const hostile = Buffer.concat(Array.from({ length: 20 }, () => header));
    const before = process.memoryUsage().heapUsed;
    expect(errorOf(hostile)).toEqual(coded('malformed'));
    // The decoder alone would allocate 8 MB for each of the twenty headers.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(40_000_000);
  });

  test('of arbitrary bytes is accepted or refused with a CodecError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const error = errorOf(bytes);
        expect(error === undefined || error instanceof CodecError).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});
