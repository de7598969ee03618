import { Value } from 'typebox/value';
import { expect, test } from 'vitest';
import { Type } from '#bus-schemas/type.ts';
import { faultOf } from './schema-fault.ts';

const Schema = Type.Object(
  {
    name: Type.String({ minLength: 2 }),
    limits: Type.Optional(
      Type.Object({ day: Type.Optional(Type.Integer()) }, { additionalProperties: false }),
    ),
    parts: Type.Optional(
      Type.Array(
        Type.Union([Type.Object({ text: Type.String() }), Type.Object({ url: Type.String() })], {
          'x-rule': 'must have a text or a url',
        }),
      ),
    ),
  },
  { additionalProperties: false },
);
const fault = (value: unknown) => faultOf(Schema, Value.Errors(Schema, value), 'field');

test.each([
  [{ name: 'ok', nom: 1 }, 'nom', 'Unknown field `nom`.'],
  [{ name: 'ok', limits: { dya: 1 } }, 'limits.dya', 'Unknown field `limits.dya`.'],
  [{}, 'name', 'The field `name` is missing.'],
  [{ name: 7 }, 'name', 'The field `name` must be a text.'],
  [{ name: '' }, 'name', 'The field `name` must have at least 2 characters.'],
  [
    { name: 'ok', limits: { day: 0.5 } },
    'limits.day',
    'The field `limits.day` must be a whole number.',
  ],
  ['text', '', 'The request must be an object.'],
])('%j names the field at fault and the rule', (value, path, message) => {
  expect(fault(value)).toEqual({ path, message });
});

test('a fault within a schema that states its rule is explained by that rule', () => {
  expect(fault({ name: 'ok', parts: [{ text: 'a' }, { url: 1 }] })).toEqual({
    path: 'parts.1',
    message: 'The field `parts[1]` must have a text or a url.',
  });
});

test('an unknown parameter of a query is called a parameter', () => {
  const errors = Value.Errors(Schema, { name: 'ok', formta: 'csv' });
  expect(faultOf(Schema, errors, 'parameter').message).toBe('Unknown parameter `formta`.');
});
