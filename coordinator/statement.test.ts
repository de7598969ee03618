import { expect, test } from 'vitest';
import { namedStatement } from './statement.ts';

test('names become numbers in their order, and a repeated name stays one number', () => {
  const { text, parameters } = namedStatement('jobs.find')`
    SELECT 1 FROM jobs WHERE account = ${'account'} AND (at > ${'since'} OR owner = ${'account'})`;
  expect(text.trim()).toBe('SELECT 1 FROM jobs WHERE account = $1 AND (at > $2 OR owner = $1)');
  expect(parameters).toEqual(['account', 'since']);
});

test('a statement without parameters is sent as it is written', () => {
  expect(namedStatement('jobs.count')`SELECT count(*)::int FROM jobs`).toEqual({
    name: 'jobs.count',
    text: 'SELECT count(*)::int FROM jobs',
    parameters: [],
  });
});
