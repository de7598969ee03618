import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { acquireLock, tryLock } from './file-lock.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dinf-lock-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('five callers at once hold the lock one after the other', async () => {
  const path = join(folder, 'lock');
  let inside = 0;
  let maximum = 0;
  await Promise.all(
    Array.from({ length: 5 }, async () => {
      await using _lock = await acquireLock(path, {});
      inside += 1;
      maximum = Math.max(maximum, inside);
      await nextTurn();
      inside -= 1;
    }),
  );
  expect(maximum).toBe(1);
  expect(existsSync(path)).toBe(false);
});

test('a lock whose holder was killed is taken over', async () => {
  const path = join(folder, 'lock');
  const child = spawn('sleep', ['60']);
  const pid = child.pid as number;
  mkdirSync(path);
  writeFileSync(join(path, String(pid)), '');
  const holders: number[] = [];
  const taking = acquireLock(path, {
    onWait: (pids) => {
      holders.push(...pids);
      child.kill('SIGKILL');
    },
  });
  await using _lock = await taking;
  expect(holders).toEqual([pid]);
});

test('six processes that find a dead lock hold it one after the other, and leave no files', async () => {
  const dead = spawn('true');
  await new Promise((resolve) => dead.once('exit', resolve));
  mkdirSync(join(folder, 'lock'));
  writeFileSync(join(folder, 'lock', String(dead.pid)), '');
  const log = join(folder, 'log');
  const script = `import { appendFileSync } from 'node:fs';
    import { acquireLock } from ${JSON.stringify(join(import.meta.dirname, 'file-lock.ts'))};
    await using lock = await acquireLock(${JSON.stringify(join(folder, 'lock'))}, {});
    appendFileSync(${JSON.stringify(log)}, 'in ');
    await new Promise((resolve) => setTimeout(resolve, 20));
    appendFileSync(${JSON.stringify(log)}, 'out ');`;
  const codes = await Promise.all(
    Array.from({ length: 6 }, () => {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      return new Promise((resolve) => child.once('exit', resolve));
    }),
  );
  expect(codes).toEqual(Array(6).fill(0));
  expect(readFileSync(log, 'utf8')).toBe('in out '.repeat(6));
  expect(readdirSync(folder)).toEqual(['log']);
});

test('a caller that has waited for the maximum time gets its error, with the holders', async () => {
  const path = join(folder, 'lock');
  const timeout = { ms: 0, error: (pids: readonly number[]) => new Error(`held by ${pids}`) };
  {
    await using _lock = await acquireLock(path, {});
    await expect(acquireLock(path, { timeout })).rejects.toThrow(`held by ${process.pid}`);
  }
  await using _lock = await acquireLock(path, { timeout });
});

test('tryLock returns the holders of a held lock at once and changes nothing', async () => {
  const path = join(folder, 'lock');
  await using _lock = await acquireLock(path, {});
  expect(tryLock(path)).toEqual({ holders: [process.pid] });
  expect(readdirSync(folder)).toEqual(['lock']);
});

test('a lock is taken over if another process now has the process id of its holder', async () => {
  const path = join(folder, 'lock');
  mkdirSync(path);
  // After a restart of a container, the id in the lock may belong to a process with another start
  // time.
  writeFileSync(join(path, String(process.pid)), 'started long ago');
  const taken = tryLock(path);
  if (!('lock' in taken)) throw new Error('the lock was not taken over');
  await taken.lock[Symbol.asyncDispose]();
  expect(readdirSync(folder)).toEqual([]);
});
