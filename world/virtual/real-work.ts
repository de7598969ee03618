import filesAtOnce from 'node:fs';
import files from 'node:fs/promises';
import { registerHooks, syncBuiltinESMExports } from 'node:module';
import { fileReader } from './program-files.ts';

/** Taken before the timers of the process are replaced. */
const nextTurn = setImmediate;

/** Calls that run in other threads: WebCrypto and files. */
let open = 0;
/** Called when the last of them has ended. */
let whenNoneIsOpen: () => void = () => undefined;
let last: Promise<unknown> = Promise.resolve();

/**
 * Runs `next` again and again until it returns false. Before each call all promises have settled,
 * and all calls of WebCrypto and of the file system that the one before it began.
 *
 * A turn of the event loop for each call would take longer than the call itself. So all of them
 * run in one turn, as long as no other thread works for this process; `onError` receives what a
 * callback of `process.nextTick` throws, which is an uncaught exception.
 */
export async function runInTurns(
  next: () => boolean,
  onError: (error: unknown) => void,
): Promise<void> {
  while (!(await inOneTurn(next, onError)))
    await new Promise<void>((resolve) => {
      whenNoneIsOpen = resolve;
    });
}

/** Resolves with true when `next` has returned false, and with false if another thread works. */
const inOneTurn = (next: () => boolean, onError: (error: unknown) => void): Promise<boolean> =>
  new Promise((resolve) => {
    nextTurn(() => {
      for (;;) {
        settlePromises(onError);
        if (open > 0) return resolve(false);
        if (!next()) return resolve(true);
      }
    });
  });

/** Runs what the end of a turn of the event loop runs: `process.nextTick` and all promises. */
function settlePromises(onError: (error: unknown) => void): void {
  for (let isSettled = false; !isSettled; )
    try {
      (process as unknown as { _tickCallback(): void })._tickCallback();
      isSettled = true;
    } catch (error) {
      onError(error);
    }
}

const CRYPTO_CALLS = [
  'deriveBits',
  'deriveKey',
  'digest',
  'exportKey',
  'generateKey',
  'importKey',
  'sign',
  'verify',
  'encrypt',
  'decrypt',
];
const FILE_CALLS = [
  'access',
  'appendFile',
  'chmod',
  'cp',
  'copyFile',
  'link',
  'lstat',
  'mkdir',
  'mkdtemp',
  'readdir',
  'realpath',
  'rename',
  'rm',
  'rmdir',
  'stat',
  'statfs',
  'unlink',
  'utimes',
  'writeFile',
];
const HANDLE_CALLS = ['close', 'read', 'readFile', 'stat', 'truncate', 'write'];
/** A computer of a world never loses its power, so nothing has to reach its disk. */
const DISK_CALLS = ['datasync', 'sync'];

/**
 * Has the calls of WebCrypto and of open files run one after the other, and counts them: no event of
 * the world happens before they have ended, and they end in the order in which they began, whichever
 * of them takes longer. Other calls of the file system run at once: a thread for each would take
 * longer than the call. Modules are loaded without other threads.
 */
export function installRealWork(): void {
  runInTurn(globalThis.crypto.subtle, CRYPTO_CALLS);
  runAtOnce(FILE_CALLS);
  Object.assign(files, { readFile: fileReader() });
  runInTurn(files, ['open'], (handle) => {
    for (const call of DISK_CALLS)
      Object.assign(handle as object, { [call]: async () => undefined });
    runInTurn(handle as object, HANDLE_CALLS);
  });
  // With a hook, Node reads a module in the thread that loads it.
  registerHooks({ load: (url, context, next) => next(url, context) });
  syncBuiltinESMExports();
}

type Call = (...parameters: unknown[]) => Promise<unknown>;

function runAtOnce(calls: readonly string[]): void {
  for (const call of calls) {
    const work = (filesAtOnce as unknown as Record<string, Call>)[`${call}Sync`];
    if (work === undefined) throw new Error(`there is no call ${call}Sync`);
    Object.assign(files, { [call]: async (...parameters: unknown[]) => work(...parameters) });
  }
}

function runInTurn(
  target: object,
  methods: readonly string[],
  onResult: (result: unknown) => void = () => undefined,
): void {
  for (const method of methods) {
    const of = target as Record<string, Call>;
    const real = of[method]?.bind(target);
    if (real === undefined) throw new Error(`there is no call ${method}`);
    of[method] = (...parameters) => {
      open += 1;
      const done = last.then(() => real(...parameters));
      last = done.then(onResult).then(close, close);
      return done;
    };
  }
}

const close = (): void => {
  open -= 1;
  if (open === 0) whenNoneIsOpen();
};
