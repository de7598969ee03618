import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT, SOURCE_FOLDERS, sourceFiles } from '../source-folders.ts';

const TESTS = [...SOURCE_FOLDERS, 'e2e']
  .flatMap(sourceFiles)
  .filter((path) => path.endsWith('.test.ts'));
/** A test file in backticks, and the parts of test names in quotes that follow it. */
const QUOTES = /`([^`\s]+\.test\.ts)`((?:,? (?:and )?"[^"]+")*)/g;

interface Quote {
  readonly file: string;
  readonly names: readonly string[];
}

const quotesIn = (page: string): Quote[] =>
  [...page.matchAll(QUOTES)].map(([, file = '', names = '']) => ({
    file,
    names: [...names.matchAll(/"([^"]+)"/g)].map(([, name = '']) => name),
  }));

/** A page may leave out the folders at the beginning of a path, as long as one file fits. */
const filesNamed = (file: string): string[] =>
  TESTS.filter((path) => path === file || path.endsWith(`/${file}`));

/** The source of a test, with the quotes inside of names as a reader of the page writes them. */
const textOf = (path: string): string =>
  readFileSync(join(ROOT, path), 'utf8').replaceAll("\\'", "'");

function faultsOf({ file, names }: Quote): string[] {
  const [path, other] = filesNamed(file);
  if (path === undefined) return [`${file} does not exist`];
  if (other !== undefined) return [`${file} is ambiguous: ${path} and ${other}`];
  const text = textOf(path);
  return names.filter((name) => !text.includes(name)).map((name) => `${file} has no "${name}"`);
}

test.each(['docs/security/threat-model.md', 'docs/bounds.md'])(
  'every test that %s quotes exists',
  (page) => {
    const quotes = quotesIn(readFileSync(join(ROOT, page), 'utf8'));
    expect(quotes.length).toBeGreaterThan(30);
    expect(quotes.flatMap(faultsOf)).toEqual([]);
  },
);

test('a quoted test that does not exist is a fault', () => {
  const [quote] = quotesIn(
    '| held | `codec.test.ts` "no such test", "with unknown fields is accepted" |',
  );
  expect(quote && faultsOf(quote)).toEqual(['codec.test.ts has no "no such test"']);
  expect(faultsOf({ file: 'missing.test.ts', names: [] })).toEqual([
    'missing.test.ts does not exist',
  ]);
});

test('no two threats have the same number', () => {
  const page = readFileSync(join(ROOT, 'docs/security/threat-model.md'), 'utf8');
  const numbers = [...page.matchAll(/^\| ([A-Z]+-\d+) \|/gm)].map(([, number]) => number);
  expect(numbers.length).toBeGreaterThan(100);
  expect(numbers.filter((number, i) => numbers.indexOf(number) !== i)).toEqual([]);
});
