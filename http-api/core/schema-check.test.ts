import { describe, expect, test } from 'vitest';
import { ApiError } from '../errors.ts';
import type { JsonObject } from './json.ts';
import { checkSchema } from './schema-check.ts';

const PARAM = 'response_format.json_schema.schema';

function refusalOf(
  schema: JsonObject,
): { status: number; code: string; param: string | null; message: string } | undefined {
  try {
    checkSchema(schema, PARAM);
    return undefined;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const { status, code, param, message } = error;
    return { status, code, param, message };
  }
}

describe('a schema that no answer can satisfy is refused with its reason', () => {
  const a = (schema: JsonObject) => ({ $ref: '#/$defs/a', $defs: { a: schema } });
  test.each<[string, JsonObject, RegExp]>([
    ['a reference to itself', { $ref: '#' }, /refers back to itself/],
    ['a definition that is only itself', a({ $ref: '#/$defs/a' }), /refers back to itself/],
    [
      'two definitions that refer only to each other',
      { $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } } },
      /refers back/,
    ],
    ['a choice that has only itself', { anyOf: [{ $ref: '#' }] }, /refers back/],
    ['all of itself', { allOf: [{ $ref: '#' }] }, /refers back/],
    [
      'an object that must contain itself',
      { type: 'object', properties: { x: { $ref: '#' } }, required: ['x'] },
      /refers back/,
    ],
    [
      'an array that must contain itself',
      { type: 'array', items: { $ref: '#' }, minItems: 1 },
      /refers back/,
    ],
    ['a reference that leads nowhere', { $ref: '#/nowhere' }, /"#\/nowhere" leads nowhere/],
    ['a reference that is not a text', { $ref: 5 }, /must be a string/],
    ['a type that does not exist', { type: 'nonsense' }, /"nonsense" is not a type/],
    [
      'an unknown type in a part',
      { type: 'object', properties: { x: { type: ['string', 'text'] } }, required: ['x'] },
      /"text" is not a type/,
    ],
    [
      'more characters than a grammar may have',
      { enum: Array.from({ length: 60_000 }, (_, index) => `value ${index}`) },
      /the most is 262144/,
    ],
  ])('%s', (_name, schema, message) => {
    expect(refusalOf(schema)).toMatchObject({
      status: 422,
      code: 'invalid_schema',
      param: PARAM,
      message: expect.stringMatching(message),
    });
  });
});

describe('a schema that a value fits passes', () => {
  test.each<[string, JsonObject]>([
    ['nothing demanded', {}],
    ['a tree', { type: 'object', properties: { left: { $ref: '#' }, right: { $ref: '#' } } }],
    [
      'a list that ends',
      {
        anyOf: [
          { type: 'null' },
          { type: 'object', properties: { next: { $ref: '#' } }, required: ['next'] },
        ],
      },
    ],
    ['a definition by its name', { $ref: '#/$defs/a~1b', $defs: { 'a/b': { type: 'string' } } }],
    ['a reference to a part of a list', { anyOf: [{ type: 'string' }, { $ref: '#/anyOf/0' }] }],
    [
      'another document, for which the provider accepts any value',
      { $ref: 'https://example.com/schema' },
    ],
    ['an array of itself that may be empty', { type: 'array', items: { $ref: '#' } }],
    ['a name of the prototype', { type: 'object', properties: {}, required: ['constructor'] }],
  ])('%s', (_name, schema) => expect(refusalOf(schema)).toBeUndefined());
});

test('a schema whose references repeat work without end is left to the provider after a bounded number of steps', () => {
  const level = (next: number) => ({
    anyOf: Array.from({ length: 40 }, () => ({ allOf: [{ $ref: `#/$defs/${next}` }] })),
  });
  const $defs = Object.fromEntries(
    Array.from({ length: 30 }, (_, index) => [index, level((index + 1) % 30)]),
  );
  // Without the bound this takes 40^30 steps.
  expect(refusalOf({ $ref: '#/$defs/0', $defs })).toBeUndefined();
});
