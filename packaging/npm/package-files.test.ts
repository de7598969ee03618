import { readFileSync } from 'node:fs';
import { join, posix, resolve } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { ensureConsoleBuilt } from '#console/ensure-built.ts';
import { packageFiles } from './build-package.ts';
import type { LockFile } from './manifest.ts';

const ROOT = resolve(import.meta.dirname, '../..');
let files: Map<string, string | undefined>;
beforeAll(async () => {
  await ensureConsoleBuilt({ say: () => undefined });
  files = packageFiles(ROOT);
});

const read = <T>(name: string) => JSON.parse(files.get(name) ?? '') as T;

test('the package has no tests, fixtures, benchmarks or TypeScript', () => {
  const names = [...files.keys()];
  expect(names.length).toBeGreaterThan(500);
  expect(
    names.filter((name) =>
      /\.test\.|-under-test|\.prop\.|(^|\/)(fixtures|vectors|e2e|bench|testcontainers|training)\/|held-out|(?<!\.d)\.ts$/.test(
        name,
      ),
    ),
  ).toEqual([]);
});

test('the package has what users start and import, and what the program reads at run time', () => {
  for (const name of [
    'bin/dinf.mjs',
    'bin/dinf.js',
    'client/mod.js',
    'client/mod.d.ts',
    'console/dist/index.html',
    'coordinator/migrations/0001-ledger.sql',
    'native/cpu/decoder.cc',
    'tiny-model/dinf-tiny-4bit/model.safetensors',
    'tiny-model/dinf-tiny-4bit/tokenizer.json',
  ])
    expect(files.has(name), name).toBe(true);
});

test('each file or folder that a module names beside itself is in the package', () => {
  const folders = new Set([...files.keys()].flatMap((name) => [name, posix.dirname(name)]));
  const missing = [...files].flatMap(([name, text = '']) =>
    [...text.matchAll(/import\.meta\.dirname, ((?:'[^']+'(?:, )?)+)\)/g)]
      .map(([, parts = '']) => [...parts.matchAll(/'([^']+)'/g)].map(([, part = '']) => part))
      .map((parts) => posix.join(posix.dirname(name), ...parts))
      .filter((path) => path !== '.' && !folders.has(path)),
  );
  expect(missing).toEqual([]);
});

test('no module of the package imports a subpath of the repository or a TypeScript file', () => {
  const wrong = [...files].filter(
    ([name, text]) =>
      /\.(js|mjs|d\.ts)$/.test(name) &&
      /(?:from|import\(|new URL\()\s*['"](#[^'"]+|\.[^'"]+\.ts)['"]/.test(text ?? ''),
  );
  expect(wrong.map(([name]) => name)).toEqual([]);
});

test('types are removed without moving a line, so that a stack trace names lines of the source', () => {
  const lines = (text: string) => text.split('\n').length;
  const source = readFileSync(join(ROOT, 'provider/daemon.ts'), 'utf8');
  expect(lines(files.get('provider/daemon.js') ?? '')).toBe(lines(source));
});

test('every dependency, also of a dependency, is pinned to a version and a checksum, without those for development', () => {
  const { packages } = read<LockFile & { packages: Record<string, { integrity?: string }> }>(
    'npm-shrinkwrap.json',
  );
  const names = Object.keys(packages).filter((path) => path !== '');
  expect(names).toContain('node_modules/fastify');
  expect(names).toContain('node_modules/find-my-way');
  expect(names).not.toContain('node_modules/vitest');
  expect(names).not.toContain('node_modules/typescript');
  expect(names.filter((path) => packages[path]?.integrity === undefined)).toEqual([]);
  const { dependencies, optionalDependencies } =
    read<Record<string, Record<string, string>>>('package.json');
  const versions = Object.values({ ...dependencies, ...optionalDependencies });
  expect(versions.filter((version) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual([]);
});

test('package.json has neither scripts nor dependencies for development', () => {
  expect(Object.keys(read<object>('package.json')).toSorted()).toEqual([
    'bin',
    'codeFolders',
    'dependencies',
    'description',
    'engines',
    'exports',
    'license',
    'name',
    'optionalDependencies',
    'overrides',
    'type',
    'version',
  ]);
});
