import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { homebrewFormula } from './formula.ts';

const release = {
  url: 'https://example.org/releases/d-inference-1.2.3.tgz',
  version: '1.2.3',
  sha256: 'ab'.repeat(32),
  license: 'MIT',
};

test('the formula names archive, version and checksum of the release, and has no mark left', () => {
  const formula = homebrewFormula(release);
  expect(formula).toContain(`url "${release.url}"`);
  expect(formula).toContain('version "1.2.3"');
  expect(formula).toContain(`sha256 "${release.sha256}"`);
  expect(formula).toContain('license "MIT"');
  expect(formula).not.toMatch(/@[A-Z0-9]+@/);
});

test.each([
  'http://example.org/d.tgz',
  'd.tgz',
  'https://example.org/#{system("id")}',
  'https://example.org/"; system("id"); "',
])('an archive at %s is refused', (url) => {
  expect(() => homebrewFormula({ ...release, url })).toThrow(/https/);
});

test('Ruby accepts the formula', ({ skip }) => {
  const { error, status, stdout, stderr } = spawnSync('ruby', ['-c', '-'], {
    input: homebrewFormula(release),
    encoding: 'utf8',
  });
  skip(error !== undefined, 'ruby is not installed (Debian: ruby)');
  expect(stdout + stderr).toContain('Syntax OK');
  expect(status).toBe(0);
});
