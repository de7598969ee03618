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

/** Calls of WebCrypto, which run in other threads. */
let open = 0;
let last: Promise<unknown> = Promise.resolve();

/** Resolves when all promises have settled and no file is being read. */
export async function realWorkEnds(): Promise<void> {
  do await turn();
  while (open > 0 || process.getActiveResourcesInfo().some((kind) => REAL_WORK.has(kind)));
}

/**
 * Has the calls of WebCrypto run one after the other, and counts them: no event of the world
 * happens before they have ended, and they end in the order in which they began.
 */
export function installWebCrypto(): void {
  const { subtle } = globalThis.crypto;
  const methods = [
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
  ] as const;
  for (const method of methods) {
    const real = (subtle[method] as (...parameters: unknown[]) => Promise<unknown>).bind(subtle);
    const inTurn = (...parameters: unknown[]): Promise<unknown> => {
      open += 1;
      const done = last.then(() => real(...parameters));
      last = done.then(close, close);
      return done;
    };
    Object.assign(subtle, { [method]: inTurn });
  }
}

const close = (): void => {
  open -= 1;
};
