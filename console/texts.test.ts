import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readTexts, TEXT_FILES, type Text, VALUE } from './texts-under-test.ts';

const WEB = join(import.meta.dirname, 'web');

test.each(TEXT_FILES)('%s/german/%s has the keys of the English file', async (folder, file) => {
  const english = await readTexts(folder, 'english', file);
  const german = await readTexts(folder, 'german', file);
  const paths = (texts: readonly Text[]) => texts.map(({ path }) => path).toSorted();
  expect(paths(german)).toEqual(paths(english));
  expect(english.length).toBeGreaterThan(3);
});

/** Whether a text has words of a language. Commands, names and units are the same in all. */
const hasWords = (text: string): boolean =>
  /[a-z]{2,} +[a-z]{2,}/i.test(text.replaceAll(VALUE, '0').replaceAll(/dinf [a-z -]+/g, ''));

test.each(TEXT_FILES)('%s/german/%s leaves no text in English', async (folder, file) => {
  const english = new Map(
    (await readTexts(folder, 'english', file)).map(({ path, text }) => [path, text]),
  );
  const untranslated = (await readTexts(folder, 'german', file)).filter(
    ({ path, text }) => hasWords(text) && english.get(path) === text,
  );
  expect(untranslated).toEqual([]);
});

const components = readdirSync(WEB, { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.tsx'),
);

/** Texts between tags, and in attributes that people read. */
const SHOWN = [
  />\s*([A-Za-z][^<>{}=;()]*[a-z.!?:])\s*<\//g,
  /\s(?:aria-label|title|placeholder|alt)="([^"]*[A-Za-z][^"]*)"/g,
];

const hardCoded = (source: string): string[] =>
  SHOWN.flatMap((pattern) => [...source.matchAll(pattern)].map(([, text = '']) => text));

test('finds texts that are written into a component', () => {
  expect(hardCoded('<p class="x">Hello there</p>')).toEqual(['Hello there']);
  expect(hardCoded('<button aria-label="Close" />')).toEqual(['Close']);
  expect(hardCoded('<p title={t.a}>{t.b} · {count}</p>')).toEqual([]);
});

test.each(components)('%s shows no text of its own', (file) => {
  expect(hardCoded(readFileSync(join(WEB, file), 'utf8'))).toEqual([]);
});
