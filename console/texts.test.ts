import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const WEB = join(import.meta.dirname, 'web');
const FOLDER = join(WEB, 'texts');

const files = readdirSync(join(FOLDER, 'english'));

type Texts = Readonly<Record<string, unknown>>;

/** Each text by its path, as a text, or as the number of values that its function takes. */
function shapeOf(texts: unknown, path = ''): string[] {
  if (typeof texts === 'string') return [path];
  if (typeof texts === 'function') return [`${path}(${texts.length})`];
  return Object.entries(texts as Texts).flatMap(([key, value]) => shapeOf(value, `${path}.${key}`));
}

const read = async (language: string, file: string): Promise<Texts> =>
  (await import(join(FOLDER, language, file))) as Texts;

test.each(files)('the German %s has the keys of the English one', async (file) => {
  // Each file exports its texts under one name.
  const [english] = Object.values(await read('english', file));
  const [german] = Object.values(await read('german', file));
  expect(shapeOf(german).toSorted()).toEqual(shapeOf(english).toSorted());
  expect(shapeOf(english).length).toBeGreaterThan(3);
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
