import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
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

test('a statement of one or two lines stands in the code and not in a file (decision 0122)', () => {
  const files = globSync('**/store/*.sql', { cwd: import.meta.dirname });
  expect(files).toContain(join('settlement', 'ledger', 'store', 'verify.sql'));
  const isShort = (file: string): boolean => {
    const lines = readFileSync(join(import.meta.dirname, file), 'utf8')
      .trim()
      .split('\n');
    return lines.filter((line) => !line.startsWith('--')).length < 3;
  };
  expect(files.filter(isShort)).toEqual([]);
});
