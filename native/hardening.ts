import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { addonPath } from './build.ts';

export type Measure = 'debugger_denied' | 'core_dumps_off' | 'memory_locked' | 'memory_unlocked';

/** `error` is the system's own word for why it was not done. */
export type Outcome = { readonly measure: Measure; readonly done: true } | { readonly measure: Measure; readonly done: false; readonly error: string };

export interface Hardening {
  readonly available: true;
  /** For this process and for good: no debugger attaches, no core file is written. */
  hardenProcess(): readonly Outcome[];
  /** Keeps the buffer's pages out of swap, as far as the limit on locked memory allows. */
  lockMemory(buffer: Uint8Array): Outcome;
  unlockMemory(buffer: Uint8Array): Outcome;
  /** Zeroes it in a way that no optimiser removes. */
  wipe(buffer: Uint8Array): void;
}

export type HardeningOrReason = Hardening | { readonly available: false; readonly reason: string };

const root = dirname(import.meta.dirname);
let loaded: HardeningOrReason | undefined;

/** The addon, or why it is not there. Never throws. */
export function loadHardening(): HardeningOrReason {
  loaded ??= load(addonPath(root, 'hardening'));
  return loaded;
}

function load(path: string): HardeningOrReason {
  if (!existsSync(path)) return { available: false, reason: 'it is not built: there was no C++ compiler, or it failed (see native/build)' };
  try {
    const addon = createRequire(import.meta.url)(path) as Omit<Hardening, 'available'>;
    return { available: true, ...addon };
  } catch (error) {
    return { available: false, reason: error instanceof Error ? error.message : String(error) };
  }
}
