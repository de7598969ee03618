import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT, SOURCE_FOLDERS, sourceFiles } from './source-folders.ts';

/** The only file that may write the header, and that has waits which no component measured. */
const DECIDES = 'http-api/retry-after.ts';
/** Files that may use the name of the header: the proxy passes the header of an answer on. */
const PASSES_ON = ['client/proxy/proxy-server.ts'];
const READ = /headers(?:\.get\(['"]retry-after['"]\)|\[['"]retry-after['"]\](?!\s*=[^=]))/gi;
const NAME = /['"]retry-after['"]/i;
const FIXED_WAIT = /retryAfterMs(?::|\s*\?\?)\s*[\d_]+/;

/** Doubles the quotes of a text, as only a writer of CSV does. */
const QUOTED_CELL = /replace(?:All)?\([^)]*'""'\)/;

/** Without testcontainers/, whose fakes of external services write headers of their own. */
const PRODUCT = SOURCE_FOLDERS.filter((folder) => folder !== 'testcontainers');
const isTest = (file: string) => file.endsWith('.test.ts');
const filesWith = (pattern: RegExp, folders: readonly string[] = PRODUCT) =>
  folders
    .flatMap(sourceFiles)
    .filter((file) => !isTest(file))
    .filter((file) => pattern.test(readFileSync(join(ROOT, file), 'utf8').replaceAll(READ, '')));

test('only one file writes the header Retry-After', () => {
  expect(filesWith(NAME)).toEqual([DECIDES]);
  expect(filesWith(/\bRETRY_AFTER_HEADER\b/).filter((file) => file !== DECIDES)).toEqual(PASSES_ON);
});

test('no other file of the API has a fixed wait of its own', () => {
  expect(filesWith(FIXED_WAIT, ['http-api', 'client', 'coordinator'])).toEqual([]);
});

test('only one file writes cells of CSV', () => {
  expect(filesWith(QUOTED_CELL)).toEqual(['coordinator/csv.ts']);
});

test.each([
  [`text.replaceAll('"', '""')`, QUOTED_CELL],
  ["reply.header('retry-after', 3)", NAME],
  ["headers['retry-after'] = '3'", NAME],
  ['{ "Retry-After": 3 }', NAME],
  ["new ApiError('saturated', undefined, { retryAfterMs: 2_000 })", FIXED_WAIT],
  ['out.retryAfterMs ?? 500', FIXED_WAIT],
])('the check notices %s', (code, pattern) => {
  expect(pattern.test(code.replaceAll(READ, ''))).toBe(true);
});
