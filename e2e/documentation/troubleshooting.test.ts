import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SOURCE_FOLDERS, sourceFiles } from '../source-folders.ts';
import { ROOT, textOf } from './blocks.ts';

/**
 * The messages in the pages about troubleshooting are those of the program: each fixed part stands in
 * its source.
 */

/** These print no message of the program. */
const SILENT: readonly string[] = [
  'native',
  'packaging',
  'simulator',
  'testcontainers',
  'tiny-model',
];
const FOLDERS = SOURCE_FOLDERS.filter((folder) => !SILENT.includes(folder));
const HEADING = /^### `(?<message>.*)`$/gm;
const ROW = /^\| `\w+` \| (?<message>\D[^|]*?) \| [^|]* \|$/gm;

/** Source of the product, with texts that are written in two pieces joined. */
function sourceText(): string {
  const files = FOLDERS.flatMap(sourceFiles)
    .filter((file) => !file.endsWith('.test.ts'))
    .map((file) => readFileSync(join(ROOT, file), 'utf8'));
  return files.join('\n').replaceAll(/['`]\s*\+\s*['`]/g, '');
}

const fixedParts = (message: string): string[] =>
  message
    .split('…')
    .map((part) => part.trim())
    .filter((part) => part.length > 3);

const PAGES = [
  { page: 'docs/troubleshooting.md', least: 20 },
  { page: 'docs/providers/troubleshooting.md', least: 40 },
];

test.each(PAGES)('every message in $page is one of the program', ({ page, least }) => {
  const source = sourceText();
  const text = textOf(page);
  const messages = [HEADING, ROW].flatMap((pattern) =>
    [...text.matchAll(pattern)].map(({ groups }) => groups?.['message'] ?? ''),
  );
  expect(messages.length).toBeGreaterThan(least);
  expect(
    messages.filter((message) => !fixedParts(message).every((part) => source.includes(part))),
  ).toEqual([]);
});
