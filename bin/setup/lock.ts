// One bootstrap at a time. Invariant: while a process named in the lock lives, nobody else holds the lock.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 100;
/** A lock without a name in it belongs to someone between two system calls, unless it is this old. */
const NAMELESS_GRACE_MS = 5_000;

export interface Lock extends AsyncDisposable {
  /** A child whose work outlives us when we are killed: the lock stands until it has ended too. */
  add(pid: number): void;
}

/** A folder with one empty file for each process that must be gone before someone else may take over. */
export async function acquireLock(path: string, onWait: (pids: readonly number[]) => void): Promise<Lock> {
  mkdirSync(dirname(path), { recursive: true });
  let told = false;
  while (!tryMake(path)) {
    const living = namesIn(path).filter(isAlive);
    if (living.length === 0 && isAbandoned(path)) {
      bury(path);
      continue;
    }
    if (!told && living.length > 0) {
      onWait(living);
      told = true;
    }
    await delay(POLL_MS);
  }
  const add = (pid: number) => writeFileSync(join(path, String(pid)), '');
  add(process.pid);
  return {
    add,
    async [Symbol.asyncDispose]() {
      rmSync(path, { recursive: true, force: true });
    },
  };
}

function tryMake(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false;
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

function isAbandoned(path: string): boolean {
  const since = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
  if (since === undefined) return false;
  return namesIn(path).length > 0 || Date.now() - since > NAMELESS_GRACE_MS;
}

/** Moved aside before it is removed: of several waiters only one moves it, and one that moved a fresh lock puts it back. */
function bury(path: string): void {
  const grave = `${path}.stale-${process.pid}`;
  try {
    renameSync(path, grave);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return;
    throw error;
  }
  if (namesIn(grave).some(isAlive) && !existsSync(path)) renameSync(grave, path);
  else rmSync(grave, { recursive: true, force: true });
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
