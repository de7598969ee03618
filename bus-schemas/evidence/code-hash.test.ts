import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { hex } from '../bytes.ts';
import { codeHash } from './code-hash.ts';

let root: string;
const write = (name: string, text: string) => writeFileSync(join(root, name), text);
const digest = () => hex(codeHash(root));
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'dinf-code-'));
  for (const folder of ['provider', 'native']) mkdirSync(join(root, folder));
  write('package.json', '{ "codeFolders": ["provider", "native"] }');
  write('npm-shrinkwrap.json', '{}');
  write('provider/agent.js', 'serve();');
});
afterEach(() => rmSync(root, { recursive: true }));

test('the digest of an installed package changes with its JavaScript', () => {
  const before = digest();
  write('provider/agent.js', 'serve({ log: prompts });');
  expect(digest()).not.toBe(before);
});

test('the digest of an installed package changes with the versions of its dependencies', () => {
  const before = digest();
  write('npm-shrinkwrap.json', '{ "packages": {} }');
  expect(digest()).not.toBe(before);
});

test('a checkout and a package have different digests, because their files have other names', () => {
  const before = digest();
  renameSync(join(root, 'npm-shrinkwrap.json'), join(root, 'package-lock.json'));
  expect(digest()).not.toBe(before);
});

test('tests and what was built on the machine do not change the digest', () => {
  const before = digest();
  write('provider/agent.test.ts', '');
  mkdirSync(join(root, 'native/build'));
  write('native/build/cpu.json', '{}');
  expect(digest()).toBe(before);
});

test('a release that leaves a folder out of its list has another digest', () => {
  const before = digest();
  write('package.json', '{ "codeFolders": ["provider"] }');
  expect(digest()).not.toBe(before);
});

test.each(['{}', '{ "codeFolders": [] }', '{ "codeFolders": ["../other"] }'])(
  'a release with the list %s has no digest',
  (manifest) => {
    write('package.json', manifest);
    expect(digest).toThrow();
  },
);
