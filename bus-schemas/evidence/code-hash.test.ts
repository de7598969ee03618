import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { hex } from '../bytes.ts';
import { CODE_FOLDERS, codeHash } from './code-hash.ts';

let root: string;
const write = (name: string, text: string) => writeFileSync(join(root, name), text);
const digest = () => hex(codeHash(root));
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'dinf-code-'));
  for (const folder of CODE_FOLDERS) mkdirSync(join(root, folder));
  write('package.json', '{}');
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
