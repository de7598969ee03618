import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { acquireLock } from './lock.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dinf-lock-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('two at once take turns', async () => {
  const path = join(folder, 'lock');
  let inside = 0;
  let most = 0;
  await Promise.all(
    Array.from({ length: 5 }, async () => {
      await using _lock = await acquireLock(path, () => undefined);
      inside += 1;
      most = Math.max(most, inside);
      await new Promise((resolve) => setTimeout(resolve, 10));
      inside -= 1;
    }),
  );
  expect(most).toBe(1);
  expect(existsSync(path)).toBe(false);
});

test('a lock whose holder was killed is taken over', async () => {
  const path = join(folder, 'lock');
  const child = spawn('sleep', ['60']);
  const pid = child.pid as number;
  mkdirSync(path);
  writeFileSync(join(path, String(pid)), '');
  const waited: number[] = [];
  const taking = acquireLock(path, (pids) => {
    waited.push(...pids);
    child.kill('SIGKILL');
  });
  await using _lock = await taking;
  expect(waited).toEqual([pid]);
});
