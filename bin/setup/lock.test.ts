import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

test('many who find a dead lock at once still take turns, and leave nothing behind', async () => {
  const dead = spawn('true');
  await new Promise((resolve) => dead.once('exit', resolve));
  mkdirSync(join(folder, 'lock'));
  writeFileSync(join(folder, 'lock', String(dead.pid)), '');
  const log = join(folder, 'log');
  const script = `import { appendFileSync } from 'node:fs';
    import { acquireLock } from ${JSON.stringify(join(import.meta.dirname, 'lock.ts'))};
    await using lock = await acquireLock(${JSON.stringify(join(folder, 'lock'))}, () => undefined);
    appendFileSync(${JSON.stringify(log)}, 'in ');
    await new Promise((resolve) => setTimeout(resolve, 20));
    appendFileSync(${JSON.stringify(log)}, 'out ');`;
  const codes = await Promise.all(
    Array.from({ length: 6 }, () => {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'ignore', 'inherit'] });
      return new Promise((resolve) => child.once('exit', resolve));
    }),
  );
  expect(codes).toEqual(Array(6).fill(0));
  expect(readFileSync(log, 'utf8')).toBe('in out '.repeat(6));
  expect(readdirSync(folder)).toEqual(['log']);
});
