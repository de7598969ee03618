import { expect, test } from 'vitest';
import { missingPackages } from './packages.ts';

const wanted = {
  '': {},
  'node_modules/a': { version: '1.0.0', integrity: 'x' },
  'node_modules/tool': { version: '2.0.0', integrity: 'y', dev: true },
  'node_modules/mac-only': { version: '3.0.0', integrity: 'z', optional: true },
};

test('a package is missing if it is not installed with the version and checksum of the lock file', () => {
  expect(missingPackages(wanted, {}, { dev: false })).toEqual(['node_modules/a']);
  expect(missingPackages(wanted, {}, { dev: true })).toEqual([
    'node_modules/a',
    'node_modules/tool',
  ]);
  expect(
    missingPackages(
      wanted,
      { 'node_modules/a': { version: '1.0.0', integrity: 'x' } },
      { dev: false },
    ),
  ).toEqual([]);
  expect(
    missingPackages(
      wanted,
      { 'node_modules/a': { version: '1.0.1', integrity: 'x' } },
      { dev: false },
    ),
  ).toEqual(['node_modules/a']);
  expect(
    missingPackages(
      wanted,
      { 'node_modules/a': { version: '1.0.0', integrity: 'forged' } },
      { dev: false },
    ),
  ).toEqual(['node_modules/a']);
});
