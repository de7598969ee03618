import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { acquireCacheLock } from './cache-lock.ts';

const NO_PROCESS = 2 ** 30;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dinf-lock-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('a second holder waits for the first, and no file remains', async () => {
  const path = join(folder, 'lock');
  const first = await acquireCacheLock(path, 1_000);
  const order: string[] = [];
  const second = acquireCacheLock(path, 5_000).then((lock) => {
    order.push('second acquired');
    return lock;
  });
  await expect(acquireCacheLock(path, 0)).rejects.toMatchObject({ code: 'cache_busy' });
  order.push('first releases');
  await first[Symbol.asyncDispose]();
  await (await second)[Symbol.asyncDispose]();
  expect(order).toEqual(['first releases', 'second acquired']);
  expect(readdirSync(folder)).toEqual([]);
});

test('a lock whose process has ended is taken over', async () => {
  const path = join(folder, 'lock');
  writeFileSync(path, String(NO_PROCESS));
  {
    await using _lock = await acquireCacheLock(path, 0);
    expect(existsSync(path)).toBe(true);
  }
  expect(existsSync(path)).toBe(false);
});
