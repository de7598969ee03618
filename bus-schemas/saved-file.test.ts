import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readOrCreate, replace, replaceWith } from './saved-file.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dinf-saved-'));
});
afterEach(() => rm(folder, { recursive: true }));

test('a file is created once and can be read by its owner only', async () => {
  const path = join(folder, 'key');
  expect(await readOrCreate(path, async () => 'first')).toBe('first');
  expect(await readOrCreate(path, async () => 'second')).toBe('first');
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test('a write that fails leaves the old content and no other file', async () => {
  const path = join(folder, 'key');
  await replace(path, 'old');
  const failing = replaceWith(path, async (fresh) => {
    await writeFile(fresh, 'ne');
    throw new Error('no space');
  });
  await expect(failing).rejects.toThrow('no space');
  expect(await readFile(path, 'utf8')).toBe('old');
  expect(await readdir(folder)).toEqual(['key']);
});

test('writes at the same time each leave a complete file', async () => {
  const path = join(folder, 'key');
  const texts = ['a', 'b', 'c'].map((letter) => letter.repeat(100_000));
  await Promise.all(texts.map((text) => replace(path, text)));
  expect(texts).toContain(await readFile(path, 'utf8'));
  expect(await readdir(folder)).toEqual(['key']);
});
