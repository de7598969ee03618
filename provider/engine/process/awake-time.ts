/**
 * Calls `onTick` every `everyMs` with the time since the last call, in milliseconds, of which at most
 * twice `everyMs` count. A process that was suspended with the whole machine therefore finds no limit
 * exceeded when it continues: the time that it did not run is not counted.
 */
export function countAwake(
  everyMs: number,
  onTick: (ms: number) => void,
  clock: () => number = () => performance.now(),
): Disposable {
  let last = clock();
  const timer = setInterval(() => {
    const now = clock();
    const ms = Math.min(now - last, 2 * everyMs);
    last = now;
    onTick(ms);
  }, everyMs);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
