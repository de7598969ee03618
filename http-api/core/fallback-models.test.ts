import { expect, test } from 'vitest';
import { wantedModels } from './fallback-models.ts';
import { introspectChat } from './introspect.ts';

const messages = [{ role: 'user', content: 'Hi' }];

test.each([
  [{ model: 'a' }, ['a']],
  [{ model: 'a', models: [] }, ['a']],
  [{ model: 'a', models: ['b', 'a', 'c'] }, ['a', 'b', 'c']],
  [{ models: ['b', 'c'] }, ['b', 'c']],
])('the models of %j are %j', (request, models) => {
  const wanted = wantedModels(request);
  expect(wanted.models).toEqual(models);
  expect(wanted.body).not.toHaveProperty('models');
});

test.each(['b', [1], ['a', 'b', 'c', 'd', 'e']])('the models %j are refused', (models) => {
  expect(() => wantedModels({ models })).toThrow(expect.objectContaining({ param: 'models' }));
});

test('fallback models are refused, and not ignored, where only one model is tried', () => {
  expect(() => introspectChat({ model: 'a', models: ['b'], messages })).toThrow(
    expect.objectContaining({ code: 'invalid_request', param: 'models' }),
  );
  expect(introspectChat({ model: 'a', models: [], messages }).model).toBe('a');
});
