import fc from 'fast-check';
import type { TSchema } from 'typebox';
import type { Keywords } from './message-shape.ts';

const MOST_ITEMS = 4;

/** Values that fit a schema; some texts and numbers do not. */
export const valuesOf = (schema: TSchema): fc.Arbitrary<unknown> => someOf(schema as Keywords);

function someOf(schema: Keywords): fc.Arbitrary<unknown> {
  const bytes = schema['x-bytes'];
  if (bytes)
    return fc.uint8Array({
      minLength: bytes.min,
      maxLength: Math.min(bytes.max, Math.max(bytes.min, 300)),
    });
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map(someOf));
  switch (schema.type) {
    case 'object':
      return schema.patternProperties ? recordOf(schema) : objectOf(schema);
    case 'array':
      return fc.array(someOf(schema.items ?? {}), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.max(schema.minItems ?? 0, Math.min(schema.maxItems ?? MOST_ITEMS, 20)),
        size: 'xsmall',
      });
    case 'string':
      return textOf(schema);
    case 'integer':
      return integerOf(schema);
    case 'number':
      return fc.oneof(integerOf(schema), fc.double(), fc.double({ min: 0, max: 1 }));
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    default:
      return fc.jsonValue();
  }
}

const objectOf = ({ properties = {}, required = [] }: Keywords): fc.Arbitrary<unknown> =>
  fc.record(
    Object.fromEntries(Object.entries(properties).map(([name, field]) => [name, someOf(field)])),
    { requiredKeys: [...required] },
  );

const recordOf = ({ patternProperties = {}, maxProperties = MOST_ITEMS }: Keywords) =>
  fc.dictionary(
    fc.oneof(fc.string({ maxLength: 12 }), fc.constantFrom('7', 'a\nb', 'toString', 'é')),
    fc.oneof(...Object.values(patternProperties).map(someOf)),
    { maxKeys: Math.min(maxProperties, MOST_ITEMS) },
  );

/** Numbers at the ends of the range, and where MessagePack has another width. */
function integerOf({
  minimum = -Number.MAX_SAFE_INTEGER,
  maximum = Number.MAX_SAFE_INTEGER,
}: Keywords): fc.Arbitrary<number> {
  const min = Math.ceil(minimum);
  const max = Math.floor(maximum);
  const edges = [0x20, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0xffff, 0x1_0000, 0xffff_ffff, 2 ** 32]
    .flatMap((edge) => [edge, -edge, -edge - 1])
    .filter((edge) => edge >= min && edge <= max);
  return fc.oneof(
    fc.integer({ min: 0, max: 0xff }),
    fc.constantFrom(min, max, ...edges),
    fc.maxSafeInteger(),
  );
}

function textOf({ pattern, minLength = 0, maxLength = 400 }: Keywords): fc.Arbitrary<string> {
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern, 'u'));
  const length = { minLength, maxLength: Math.min(maxLength, 400) };
  return fc.oneof(
    fc.constantFrom('x'.repeat(minLength), 'x'.repeat(Math.min(maxLength, 400) + 1)),
    fc.string({ ...length, unit: 'binary-ascii' }),
    fc.string({ ...length, unit: 'grapheme' }),
    // Any units, also lone surrogates, replacement characters and byte order marks.
    fc
      .array(fc.constantFrom(0x41, 0xe9, 0xd83e, 0xdd99, 0xfffd, 0xfeff, 0x301, 0x0d, 0x0a), {
        maxLength: 260,
      })
      .map((units) => String.fromCharCode(...units)),
  );
}
