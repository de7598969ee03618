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

test('a second one waits for the first, and leaves nothing behind', async () => {
  const path = join(folder, 'lock');
  const first = await acquireCacheLock(path, 1_000);
  const order: string[] = [];
  const second = acquireCacheLock(path, 5_000).then((lock) => {
    order.push('second has it');
    return lock;
  });
  await expect(acquireCacheLock(path, 0)).rejects.toMatchObject({ code: 'cache_busy' });
  order.push('first lets go');
  await first[Symbol.asyncDispose]();
  await (await second)[Symbol.asyncDispose]();
  expect(order).toEqual(['first lets go', 'second has it']);
  expect(readdirSync(folder)).toEqual([]);
});

test('one whose process is gone is taken over', async () => {
  const path = join(folder, 'lock');
  writeFileSync(path, String(NO_PROCESS));
  {
    await using _lock = await acquireCacheLock(path, 0);
    expect(existsSync(path)).toBe(true);
  }
  expect(existsSync(path)).toBe(false);
});
