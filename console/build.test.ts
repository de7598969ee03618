import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildConsole } from './build.ts';

/** Largest size of all files that the first page loads, compressed with gzip, in bytes. */
const FIRST_PAGE_BYTES = 150_000;

let folder: string;
let page: string;
let files: string[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'dinf-console-'));
  await buildConsole({ output: folder });
  page = readFileSync(join(folder, 'index.html'), 'utf8');
  files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const loaded = () => [...page.matchAll(/(?:src|href)="\/([^"]+)"/g)].map(([, name = '']) => name);

test('the first page is small', () => {
  const names = ['index.html', ...loaded()];
  const sizes = names.map((name) => statSync(join(folder, `${name}.gz`)).size);
  expect(names.length).toBeGreaterThan(3);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(FIRST_PAGE_BYTES);
});

test('the page has no scripts or styles of its own, as its content security policy demands', () => {
  expect(page).not.toMatch(/<style|style="|<script(?![^>]*\bsrc=)|\bon\w+="/);
});

test('every file that the page loads is its own, and has a digest in its name', () => {
  expect(page).not.toMatch(/(?:src|href)="(?!\/)/);
  for (const name of loaded()) expect(name).toMatch(/^assets\/[\w-]+-[\w-]{8}\.(js|css|svg)$/);
});

test('the compressed forms have the same content', () => {
  const plain = files.filter((name) => /\.(html|js|css|svg)$/.test(name));
  expect(plain.length).toBeGreaterThan(3);
  for (const name of plain) {
    const content = readFileSync(join(folder, name));
    expect(brotliDecompressSync(readFileSync(join(folder, `${name}.br`)))).toEqual(content);
    expect(gunzipSync(readFileSync(join(folder, `${name}.gz`)))).toEqual(content);
  }
});
