import { PrefixStore } from './prefix-store.ts';

/** The secret of the machine in tests. */
export const STORE_SECRET = new Uint8Array(32).fill(7);

/** A unit that is recognised. */
export const unitOf = (seed: number): Uint8Array<ArrayBuffer> =>
  new Uint8Array(50_000).fill(seed % 251);

// Run as a program, it writes units to a folder until it is killed.
const [folder] = process.argv.slice(2);
if (process.send !== undefined && folder !== undefined) {
  const store = await PrefixStore.open({
    folder,
    secret: STORE_SECRET,
    limits: { mostBytes: 1e9, mostAgeMs: 1e9, dailyBytes: 1e12, freeBytes: 0 },
    log: console,
    now: Date.now,
  });
  for (let i = 0; i < 2_000; i += 1) {
    await Promise.all([
      store.write({ kind: 'page', digest: `${i}`, maker: 'a model on an engine' }, unitOf(i)),
      i === 20 ? process.send('writes') : undefined,
    ]);
  }
}
