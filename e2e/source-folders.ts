import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** The root of the repository. */
export const ROOT = resolve(import.meta.dirname, '..');

/** The top-level folders with source code, except this one. */
export const SOURCE_FOLDERS = [
  'bin',
  'bus-schemas',
  'cli',
  'client',
  'console',
  'coordinator',
  'http-api',
  'native',
  'network',
  'observability',
  'packaging',
  'provider',
  'simulator',
  'testcontainers',
  'tiny-model',
  'world',
] as const;

/** The files of code below a top-level folder, tests included, as paths from the root. */
export function sourceFiles(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter(
      (name) =>
        /\.(tsx?|mjs)$/.test(name) && !name.includes('node_modules') && !name.startsWith('build/'),
    )
    .map((name) => join(folder, name));
}
