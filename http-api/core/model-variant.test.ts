import { expect, test } from 'vitest';
import { ApiError } from '../errors.ts';
import { introspectChat } from './introspect.ts';
import type { JsonObject } from './json.ts';

const intentOf = (fields: JsonObject) =>
  introspectChat({ messages: [{ role: 'user', content: 'Hi' }], ...fields });

test.each([
  ['sim:nitro', 'sim', 'throughput'],
  ['sim:floor', 'sim', 'price'],
  ['llama3:8b', 'llama3:8b', undefined],
])('the model %s is %s with the fastest or cheapest providers first', (given, model, sort) => {
  const intent = intentOf({ model: given });
  expect(intent.model).toBe(model);
  expect(intent.prefers?.sort).toBe(sort);
});

test('the suffix of a model keeps the other preferences, also in blind mode', () => {
  const intent = intentOf({ model: 'sim:floor', provider: { sort: 'latency', max_price: {} } });
  expect(intent.prefers).toEqual({ sort: 'price' });
  // The proxy of a customer sends the preferences of this body to the coordinator.
  expect(intent.body['provider']).toEqual({ sort: 'price', max_price: {} });
});

test('the suffix of a model does not hide wrong preferences', () => {
  expect(() => intentOf({ model: 'sim:floor', provider: 'cheap' })).toThrow(ApiError);
});
