import { appendFile, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { MAX_HELD_PREFIXES } from '#bus-schemas';
import { HeldPrefixes } from './held-prefixes.ts';

let home: string;
let files: Set<string>;
let errors: object[];
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'dinf-held-'));
  files = new Set();
  errors = [];
});
afterEach(() => rm(home, { recursive: true }));

const open = (file = join(home, 'held')) =>
  HeldPrefixes.open({
    file,
    hasFile: (name) => files.has(name),
    log: { error: (facts) => errors.push(facts) },
  });
const tag = (n: number) => `tag${String(n).padStart(7, '0')}`;
const fileOf = (n: number) => `file${String(n).padStart(39, '0')}`;
const stored = (...numbers: number[]) => ({
  files: numbers.map(fileOf),
  isCached: () => false,
});

test('a prompt is held while it is cached, or while all of its files are there', async () => {
  const held = await open();
  let isCached = true;
  held.note(tag(1), { files: [], isCached: () => isCached });
  held.note(tag(2), stored(1, 2));
  expect(held.tags).toEqual([tag(1)]);
  isCached = false;
  expect(held.tags).toEqual([]);
  files = new Set([fileOf(1)]);
  expect(held.tags).toEqual([]);
  files.add(fileOf(2));
  expect(held.tags).toEqual([tag(2)]);
});

test('after a restart, those whose files are there are held, the last used first', async () => {
  files = new Set([1, 2, 3].map(fileOf));
  const first = await open();
  first.note(tag(1), stored(1));
  first.note(tag(2), stored(2));
  first.note(tag(3), stored(1, 2, 3));
  first.note(tag(4), stored(4));
  first.note(tag(1), stored(1));
  first.note(tag(5), { files: [], isCached: () => true });
  await first.written();
  // A crash cut the last line, and another program wrote into the file.
  await appendFile(join(home, 'held'), `../../etc/passwd x\n${tag(6)} ${fileOf(1).slice(0, 20)}`);
  const second = await open();
  expect(second.tags).toEqual([tag(1), tag(3), tag(2)]);
  expect(errors).toEqual([]);
  expect((await stat(join(home, 'held'))).mode & 0o777).toBe(0o600);
});

test('the list and its file stay bounded', async () => {
  files.add(fileOf(1));
  const held = await open();
  for (let n = 0; n < 9_000; n += 1) held.note(tag(n), stored(1));
  await held.written();
  const { size } = await stat(join(home, 'held'));
  expect(size).toBeLessThan(400_000);
  for (const list of [held, await open()]) {
    expect(list.tags).toHaveLength(MAX_HELD_PREFIXES);
    expect(list.tags[0]).toBe(tag(8_999));
  }
});

test('a disk that takes nothing is logged once, and the list goes on in memory', async () => {
  const held = await open(join(home, 'absent', 'held'));
  held.note(tag(1), { files: [fileOf(1)], isCached: () => true });
  held.note(tag(2), { files: [fileOf(2)], isCached: () => true });
  await held.written();
  expect(held.tags).toEqual([tag(2), tag(1)]);
  expect(errors).toHaveLength(1);
  await expect(readFile(join(home, 'absent', 'held'))).rejects.toThrow('ENOENT');
});
