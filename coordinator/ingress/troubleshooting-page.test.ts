import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { setting } from '#bus-schemas/settings/settings.ts';
import { apiErrors, isApiErrorCode } from '#http-api/errors.ts';

/**
 * Statuses and messages in docs/troubleshooting.md are written by this test with DINF_WRITE_API=1;
 * the rest of the page is written by hand.
 */
const PAGE = join(import.meta.dirname, '../../docs/troubleshooting.md');
const ROW = /^\| `(?<code>\w+)` \| \d* \| [^|]*\| (?<advice>.*)$/gm;

const page = readFileSync(PAGE, 'utf8');
const current = page.replaceAll(ROW, (row, code: string, advice: string) => {
  if (!isApiErrorCode(code)) return row;
  const { status, message } = apiErrors[code];
  return `| \`${code}\` | ${status} | ${message} | ${advice}`;
});
if (setting('DINF_WRITE_API')) writeFileSync(PAGE, current);

test('docs/troubleshooting.md has the current status and message of each error (DINF_WRITE_API=1 writes them)', () => {
  expect(readFileSync(PAGE, 'utf8')).toBe(current);
});

test('docs/troubleshooting.md has a reason and an advice for every error of the API', () => {
  const explained = new Set(
    [...page.matchAll(ROW)].flatMap(({ groups }) => (groups?.['code'] ? [groups['code']] : [])),
  );
  expect(Object.keys(apiErrors).filter((code) => !explained.has(code))).toEqual([]);
});
