import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

import { LaunchError } from '../launch-error.ts';

// Invariant: the lock only prevents a second download. A program is put into the cache by a rename,
// so two holders at once (a process that was taken for dead, or one in another container) only
// waste time.

/** Age from which a lock may be taken over although its process runs, in milliseconds. */
const ABANDONED_AFTER_MS = 10 * 60_000;
const POLL_MS = 100;

export async function acquireCacheLock(path: string, timeoutMs: number): Promise<AsyncDisposable> {
  const mine = `${path}.${randomUUID()}`;
  const deadline = Date.now() + timeoutMs;
  await writeFile(mine, String(process.pid));
  try {
    while (!(await tryLink(mine, path))) {
      if (await isAbandoned(path)) await discard(path, `${mine}.stale`);
      else if (Date.now() > deadline) {
        throw new LaunchError(
          'cache_busy',
          `the lock ${path} was not released within ${timeoutMs} ms; delete it if no other dinf runs`,
        );
      } else await delay(POLL_MS);
    }
  } finally {
    await rm(mine, { force: true });
  }
  return { [Symbol.asyncDispose]: () => rm(path, { force: true }) };
}

/**
 * Takes the lock by a hard link, which appears together with its content. A file that is created
 * and then written could be read empty by another process, which would take it for abandoned.
 */
async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

async function isAbandoned(path: string): Promise<boolean> {
  try {
    const pid = Number(await readFile(path, 'utf8'));
    const { mtimeMs } = await stat(path);
    return !isAlive(pid) || Date.now() - mtimeMs > ABANDONED_AFTER_MS;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

async function discard(path: string, aside: string): Promise<void> {
  try {
    await rename(path, aside);
    await rm(aside, { force: true });
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
