import { Type as TypeBox } from 'typebox';
import { expect, test } from 'vitest';
import { Type } from './type.ts';

/** The fields of a schema and of all its parts, also the hidden ones, in their order. */
function allFields(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(allFields);
  if (typeof value !== 'object' || value === null) return value;
  return Object.entries(Object.getOwnPropertyDescriptors(value)).map(
    ([name, { value: part, enumerable }]) => [name, enumerable, allFields(part)],
  );
}

const isEven = (value: number) => value % 2 === 0;
const notEven = () => 'must be even';

/** Uses every builder, with and without options. */
const schemas = (build: typeof Type) => {
  const name = build.String({ pattern: '^[a-z]+$', maxLength: 8 });
  const even = build.Refine(build.Integer(), isEven, notEven);
  return [
    build.Object({}),
    build.Object(
      { a: build.Optional(name), b: build.Number({ minimum: 0 }), c: build.Optional(even) },
      { additionalProperties: false, title: 'All' },
    ),
    build.Object({ a: build.Optional(build.Null()) }),
    build.Array(build.Boolean({ default: true }), { maxItems: 3 }),
    build.Array(build.Unknown()),
    build.Enum(['one', 'two'], { description: 'words' }),
    build.Union([build.Literal('x'), build.Literal(2), build.Literal(false), build.Null()]),
    build.Union([build.String(), build.Integer()], { title: 'either' }),
    build.Record(build.String(), build.Integer(), { maxProperties: 2 }),
    build.Record(name, build.Tuple([build.String(), build.Number()])),
    build.Refine(even, (value) => value > 2),
    build.Optional(build.Refine(build.String(), (text) => text.length > 1)),
    build.Refine(build.Unsafe<Uint8Array>({ 'x-bytes': { min: 1, max: 2 } }), () => true),
    build.Unknown({ description: 'anything' }),
  ];
};

// A refinement holds a function, which is a new one for each call of `schemas`.
const comparable = (fields: unknown) =>
  JSON.stringify(
    fields,
    (_, part) => (typeof part === 'function' ? String(part).replaceAll('"', "'") : part),
    2,
  );

test('builders make the schemas of TypeBox, with the same hidden fields in the same order', () => {
  const [own, theirs] = [schemas(Type), schemas(TypeBox)].map((all) => all.map(allFields));
  expect(own?.map(comparable)).toEqual(theirs?.map(comparable));
});

test('questions about schemas are answered as TypeBox does', () => {
  for (const schema of [...schemas(Type), undefined, null, 'text'])
    for (const ask of ['IsNull', 'IsOptional', 'IsUnion', 'IsUnknown'] as const)
      expect(Type[ask](schema), ask).toBe(TypeBox[ask](schema));
});
