import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { extractEntry } from './zip-entry.ts';
import { zipBytes } from './zip-under-test.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dinf-zip-'));
});
afterEach(() => rm(folder, { recursive: true }));

const CONTENT = Buffer.from('model '.repeat(50_000));

async function extracted(archive: Uint8Array, entry = 'models/a.gguf'): Promise<Buffer> {
  const path = join(folder, 'archive.zip');
  await writeFile(path, archive);
  const to = join(folder, 'a.gguf');
  await extractEntry(path, { entry, to });
  return readFile(to);
}

test.each([true, false])('an entry is written as it was packed; stored: %s', async (isStored) => {
  const archive = zipBytes([
    { name: 'first.txt', content: Buffer.from('first') },
    { name: 'models/a.gguf', content: CONTENT, isStored },
    { name: 'last.txt', content: Buffer.from('last') },
  ]);
  expect((await extracted(archive)).equals(CONTENT)).toBe(true);
});

test('an entry that the archive does not have is named', () =>
  expect(
    extracted(zipBytes([{ name: 'first.txt', content: CONTENT }]), 'second.txt'),
  ).rejects.toMatchObject({ code: 'refused', message: expect.stringContaining('second.txt') }));

test('an entry that is larger than the archive states is refused and does not fill the disk', async () => {
  const content = Buffer.alloc(50_000_000);
  const archive = zipBytes([{ name: 'models/a.gguf', content, statedBytes: 1_000 }]);
  await expect(extracted(archive)).rejects.toMatchObject({ code: 'refused' });
  expect((await stat(join(folder, 'a.gguf'))).size).toBeLessThanOrEqual(1_000);
});

test('an entry that is smaller than the archive states is refused', () =>
  expect(
    extracted(zipBytes([{ name: 'models/a.gguf', content: CONTENT, statedBytes: 2 ** 31 }])),
  ).rejects.toMatchObject({ code: 'refused' }));

test.each([
  ['no archive', Buffer.from('no archive')],
  ['nothing', Buffer.alloc(0)],
  ['an archive without its beginning', zipBytes([{ name: 'a', content: CONTENT }]).subarray(2_000)],
])('%s is refused', (_, bytes) =>
  expect(extracted(bytes, 'a')).rejects.toMatchObject({ code: 'refused' }),
);
