import files from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

/**
 * Work that the operating system does for this process although time stands still: reading files.
 * Everything else in a world settles through promises.
 */
const REAL_WORK: ReadonlySet<string> = new Set([
  'FSReqPromise',
  'FSReqCallback',
  'FileHandleCloseReq',
  'CloseReq',
]);
/** Taken before the timers of the process are replaced. */
const nextTurn = setImmediate;

const turn = (): Promise<void> => new Promise((resolve) => nextTurn(resolve));

/** Calls that run in other threads: WebCrypto and files. */
let open = 0;
let last: Promise<unknown> = Promise.resolve();

/** Resolves when all promises have settled and no file is being read. */
export async function realWorkEnds(): Promise<void> {
  do await turn();
  while (open > 0 || process.getActiveResourcesInfo().some((kind) => REAL_WORK.has(kind)));
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
  'readFile',
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
const HANDLE_CALLS = ['close', 'datasync', 'read', 'readFile', 'stat', 'sync', 'truncate', 'write'];

/**
 * Has the calls of WebCrypto and of the file system run one after the other, and counts them: no
 * event of the world happens before they have ended, and they end in the order in which they began,
 * whichever of them takes longer.
 */
export function installRealWork(): void {
  runInTurn(globalThis.crypto.subtle, CRYPTO_CALLS);
  runInTurn(files, FILE_CALLS);
  runInTurn(files, ['open'], (handle) => runInTurn(handle as object, HANDLE_CALLS));
  syncBuiltinESMExports();
}

function runInTurn(
  target: object,
  methods: readonly string[],
  onResult: (result: unknown) => void = () => undefined,
): void {
  for (const method of methods) {
    const of = target as Record<string, (...parameters: unknown[]) => Promise<unknown>>;
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
};
