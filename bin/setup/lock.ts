// One bootstrap at a time. Invariant: while a process named in the lock lives, nobody else holds the lock. One gap is known: three
// that find a dead lock within the same microseconds (see bury); the second `npm ci` then repairs what the first one left.
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 100;

export interface Lock extends AsyncDisposable {
  /** A child whose work outlives us when we are killed: the lock stands until it has ended too. */
  add(pid: number): void;
}

/** A folder with one empty file for each process that must be gone before someone else may take over. */
export async function acquireLock(path: string, onWait: (pids: readonly number[]) => void): Promise<Lock> {
  mkdirSync(dirname(path), { recursive: true });
  const mine = `${path}.${randomUUID()}`;
  mkdirSync(mine);
  writeFileSync(join(mine, String(process.pid)), '');
  let told = false;
  try {
    while (!tryPublish(mine, path)) {
      const names = namesIn(path);
      const living = names.filter(isAlive);
      if (living.length === 0) {
        if (names.length > 0) bury(path);
        continue;
      }
      if (!told) onWait(living);
      told = true;
      await delay(POLL_MS);
    }
  } finally {
    rmSync(mine, { recursive: true, force: true });
  }
  return {
    add: (pid) => writeFileSync(join(path, String(pid)), ''),
    async [Symbol.asyncDispose]() {
      remove(path);
    },
  };
}

/** A folder renamed into place has its name in it from the first moment, and never replaces one that has. */
function tryPublish(mine: string, path: string): boolean {
  try {
    renameSync(mine, path);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOTEMPTY') || isErrno(error, 'EEXIST')) return false;
    throw error;
  }
}

function namesIn(path: string): number[] {
  try {
    return readdirSync(path).map(Number);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

/** Moved aside before it is looked at: of several waiters only one moves it, and one that moved a fresh lock puts it back. */
function bury(path: string): void {
  const grave = moveAside(path);
  if (grave === undefined) return;
  if (namesIn(grave).some(isAlive) && !existsSync(path)) renameSync(grave, path);
  else rmSync(grave, { recursive: true, force: true });
}

/** At once, so that nobody finds it half removed. */
function remove(path: string): void {
  const grave = moveAside(path);
  if (grave !== undefined) rmSync(grave, { recursive: true, force: true });
}

function moveAside(path: string): string | undefined {
  const aside = `${path}.${randomUUID()}`;
  try {
    renameSync(path, aside);
    return aside;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return isErrno(error, 'EPERM');
  }
}

const isErrno = (error: unknown, code: string) => error instanceof Error && 'code' in error && error.code === code;
