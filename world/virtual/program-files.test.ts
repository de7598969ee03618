import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { fileReader } from './program-files.ts';

const read = fileReader();

test('a world sees no connections of the computer that runs it', async () => {
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6'])
    await expect(read(table, 'latin1')).rejects.toMatchObject({ code: 'ENOENT' });
});

test('a file of the program is the same when it is read again, and each reader may change its copy', async () => {
  const first = await read(import.meta.filename);
  const bytes = readFileSync(import.meta.filename);
  expect(first).toEqual(bytes);
  first.fill(0);
  expect(await read(import.meta.filename)).toEqual(bytes);
  expect(await read(import.meta.filename, 'utf8')).toBe(bytes.toString('utf8'));
});
