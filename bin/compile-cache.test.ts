import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import packageJson from '../package.json' with { type: 'json' };
import { compiledModules } from './compile-cache.mjs';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dinf-compiled-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const version = (cache: string) =>
  execFileSync(process.execPath, [join(import.meta.dirname, 'dinf.mjs'), '--version'], {
    encoding: 'utf8',
    env: { ...process.env, DINF_CACHE: cache, NODE_COMPILE_CACHE: undefined },
  }).trim();

test('a start keeps the compiled modules for the next one', () => {
  expect(existsSync(compiledModules({ DINF_CACHE: folder }))).toBe(false);
  expect(version(folder)).toBe(packageJson.version);
  expect(existsSync(compiledModules({ DINF_CACHE: folder }))).toBe(true);
  expect(version(folder)).toBe(packageJson.version);
});

test('a cache that cannot be written to changes nothing', () => {
  const file = join(folder, 'a-file');
  writeFileSync(file, '');
  expect(version(file)).toBe(packageJson.version);
});
