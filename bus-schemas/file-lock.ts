// A lock between processes: a folder with one file for each process that holds it. Invariant: while
// a process named in the lock lives, no other process takes the lock. One gap is known: three
// processes that find a dead lock within the same microseconds (see removeDeadLock).
import { randomUUID } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { processStart } from './process-start.ts';

const POLL_MS = 100;

export interface Lock extends AsyncDisposable {
  /**
   * Adds a child process as a holder: if this process is killed, the lock stays until the child has
   * ended.
   */
  add(pid: number): void;
}

export interface Waiting {
  /** Is called at most once, with the process ids of the holders. */
  readonly onWait?: (pids: readonly number[]) => void;
  /** Maximum wait, in milliseconds, and the error that is thrown after it. */
  readonly timeout?: { readonly ms: number; error(pids: readonly number[]): Error };
}

/** Waits until the lock is free and takes it. */
export async function acquireLock(path: string, { onWait, timeout }: Waiting): Promise<Lock> {
  const started = performance.now();
  let notified = false;
  for (;;) {
    const taken = tryLock(path);
    if ('lock' in taken) return taken.lock;
    if (timeout !== undefined && performance.now() - started > timeout.ms)
      throw timeout.error(taken.holders);
    if (!notified) onWait?.(taken.holders);
    notified = true;
    await delay(POLL_MS);
  }
}

/**
 * Takes the lock, or returns the living processes that hold it. A lock whose holders have all ended
 * is taken over.
 */
export function tryLock(
  path: string,
): { readonly lock: Lock } | { readonly holders: readonly number[] } {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const prepared = `${path}.${randomUUID()}`;
  mkdirSync(prepared);
  addHolder(prepared, process.pid);
  try {
    while (!tryPublish(prepared, path)) {
      const holders = holdersIn(path);
      const living = holders.filter((pid) => isHolding(path, pid));
      if (living.length > 0) return { holders: living };
      if (holders.length > 0) removeDeadLock(path);
    }
  } finally {
    rmSync(prepared, { recursive: true, force: true });
  }
  return {
    lock: {
      add: (pid) => addHolder(path, pid),
      async [Symbol.asyncDispose]() {
        remove(path);
      },
    },
  };
}

/**
 * Adds a holder with its start time. The start time distinguishes it from a later process with the
 * same id, because ids repeat after a restart of a machine or container.
 */
function addHolder(folder: string, pid: number): void {
  writeFileSync(join(folder, String(pid)), processStart(pid) ?? '');
}

function isHolding(folder: string, pid: number): boolean {
  if (!isAlive(pid)) return false;
  const written = readStart(folder, pid);
  const now = processStart(pid);
  return written === '' || now === undefined || written === now;
}

function readStart(folder: string, pid: number): string {
  try {
    return readFileSync(join(folder, String(pid)), 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return '';
    throw error;
  }
}

/**
 * Renames the prepared folder to the path of the lock. So the lock contains its holder from the
 * first moment, and the rename fails if another lock with a holder is there.
 */
function tryPublish(prepared: string, path: string): boolean {
  try {
    renameSync(prepared, path);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOTEMPTY') || isErrno(error, 'EEXIST')) return false;
    throw error;
  }
}

function holdersIn(path: string): number[] {
  try {
    return readdirSync(path).map(Number);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

/**
 * Removes a dead lock. It is renamed before it is checked, so that only one of several waiters gets
 * it; a waiter that got a new lock with a living holder puts it back.
 */
function removeDeadLock(path: string): void {
  const aside = moveAside(path);
  if (aside === undefined) return;
  if (holdersIn(aside).some((pid) => isHolding(aside, pid)) && !existsSync(path))
    renameSync(aside, path);
  else rmSync(aside, { recursive: true, force: true });
}

/** Removes the lock by a rename first, so that no other process finds it half removed. */
function remove(path: string): void {
  const aside = moveAside(path);
  if (aside !== undefined) rmSync(aside, { recursive: true, force: true });
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

/** Whether a process with this number runs, of whichever user. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return isErrno(error, 'EPERM');
  }
}

const isErrno = (error: unknown, code: string) =>
  error instanceof Error && 'code' in error && error.code === code;
