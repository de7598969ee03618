import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CodecError, referenceCodec } from '../codec.ts';
import { kinds } from '../vectors/kinds.ts';
import { samplesOf } from '../vectors/sample.ts';
import { compiledCodec } from './compiled-codec.ts';
import { type Chance, encodedOtherwise } from './encodings-under-test.ts';
import { valuesOf } from './values-under-test.ts';

/**
 * A compiled codec covers a message or leaves it to @msgpack/msgpack with a check of its schema. What
 * it covers must be the same: the same bytes, the same values, and nothing that the schema refuses.
 */

const RUNS = 20;
const VERSION = 1;
const codecs = kinds.map((kind) => ({
  name: kind.kind,
  reference: referenceCodec(kind.kind, kind.schema),
  compiled: compiledCodec(kind.schema, VERSION),
  values: valuesOf(kind.schema),
}));

/** Throws if the compiled codec reads these bytes, and the reference does not read the same. */
function compare({ reference, compiled }: (typeof codecs)[number], bytes: Uint8Array): void {
  const read = compiled.decode(bytes);
  if (read === undefined) return;
  let expected: unknown;
  try {
    expected = reference.decode(bytes);
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
  }
  if (!isDeepStrictEqual(read, expected)) expect(read).toStrictEqual(expected);
}

const chances = fc.infiniteStream(fc.nat()).map((numbers): Chance => {
  return (below) => (numbers.next().value as number) % below;
});

/** The messages of most requests. */
const USUAL = [
  'routing.reserve routing.reserve.reply settlement.hold settlement.hold.reply inference-request job',
  'out frame-content flow receipt ack evt.job.ended evt.settlement.settled beat capacity cell.digest',
].flatMap((line) => line.split(' '));

describe('a compiled codec', () => {
  test.each(USUAL)('of %s covers the usual messages', (name) => {
    const { schema } = kinds.find(({ kind }) => kind === name) as (typeof kinds)[number];
    const { encode, decode } = compiledCodec(schema, VERSION);
    for (const sample of samplesOf(schema)) {
      const value = withoutTools(sample);
      expect(decode(encode(value) ?? new Uint8Array(0))).toMatchObject(value);
    }
  });

  test.each(codecs.map((codec) => [codec.name, codec] as const))(
    'of %s writes and reads the same as the reference',
    (_, codec) => {
      const { reference, compiled, values } = codec;
      fc.assert(
        fc.property(values, fc.uint8Array({ maxLength: 60 }), chances, (value, random, chance) => {
          const bytes = reference.encode(value);
          const written = compiled.encode(value);
          if (written !== undefined && Buffer.compare(written, bytes) !== 0)
            expect(Buffer.from(written).toString('hex')).toBe(Buffer.from(bytes).toString('hex'));
          compare(codec, bytes);
          compare(codec, random);
          compare(codec, encodedOtherwise({ v: VERSION, ...(value as object) }, chance));
          for (let count = 0; count < 5; count += 1) compare(codec, damaged(bytes, chance));
        }),
        { numRuns: RUNS },
      );
    },
  );
});

/** The parameters of tools and the schema of an answer hold any value, and are not covered. */
const withoutTools = (sample: unknown): object => {
  const { chat, ...message } = sample as { chat?: object };
  return chat
    ? { ...message, chat: { ...chat, tools: [], response_format: { type: 'text' } } }
    : message;
};

/** Some bytes changed, taken out, repeated, or cut off. */
function damaged(bytes: Uint8Array, chance: Chance): Uint8Array {
  const at = chance(bytes.length);
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
  switch (chance(6)) {
    case 0:
      return before;
    case 1:
      return Buffer.concat([before, after.subarray(1 + chance(3))]);
    case 2:
      return Buffer.concat([bytes.subarray(0, at + chance(20)), after]);
    case 3:
      return Buffer.concat([before, Buffer.of(chance(256)), after]);
    default:
      return Buffer.concat([before, Buffer.of(chance(256)), after.subarray(1)]);
  }
}
