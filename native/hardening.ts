import { loadAddon } from './loaded-addon.ts';

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

let loaded: HardeningOrReason | undefined;

export function loadHardening(): HardeningOrReason {
  loaded ??= load();
  return loaded;
}

function load(): HardeningOrReason {
  const addon = loadAddon<Omit<Hardening, 'available'>>('hardening');
  return addon.available ? { available: true, ...addon.exports } : addon;
}
