import { readFileSync } from 'node:fs';

/**
 * Loaded with `node --import`: the clock of this process differs from the computer's by the
 * milliseconds in the file that SHIFTED_CLOCK names, which another process may change at any time.
 * The monotonic clock is that of the computer, as it is when somebody sets the time.
 */
const file = process.env['SHIFTED_CLOCK'] ?? '';
const LOOK_MS = 50;
const RealDate = Date;
let shiftMs = 0;
let lookedAt = Number.NEGATIVE_INFINITY;

function shiftedNow(): number {
  if (performance.now() - lookedAt > LOOK_MS) {
    lookedAt = performance.now();
    try {
      shiftMs = Number(readFileSync(file, 'utf8')) || 0;
    } catch {
      // The file is missing, or is being written: the last shift holds.
    }
  }
  return RealDate.now() + shiftMs;
}

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [shiftedNow()] : args, newTarget),
  apply: () => new RealDate(shiftedNow()).toString(),
  get: (target, name) => (name === 'now' ? shiftedNow : Reflect.get(target, name)),
});
