import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SOURCE_FOLDERS, sourceFiles } from '../source-folders.ts';
import { ROOT, textOf } from './blocks.ts';

/**
 * The messages in docs/troubleshooting.md are those of the program: each fixed part stands in its
 * source.
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

test('every message in docs/troubleshooting.md is one of the program', () => {
  const source = sourceText();
  const page = textOf('docs/troubleshooting.md');
  const messages = [HEADING, ROW].flatMap((pattern) =>
    [...page.matchAll(pattern)].map(({ groups }) => groups?.['message'] ?? ''),
  );
  expect(messages.length).toBeGreaterThan(30);
  expect(
    messages.filter((message) => !fixedParts(message).every((part) => source.includes(part))),
  ).toEqual([]);
});
