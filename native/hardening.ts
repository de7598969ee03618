import { loadAddon } from './loaded-addon.ts';

export type Measure = 'debugger_denied' | 'core_dumps_off';

/** `error` is the system's own word for why it was not done. */
export type Outcome = { readonly measure: Measure; readonly done: true } | { readonly measure: Measure; readonly done: false; readonly error: string };

export interface Hardening {
  readonly available: true;
  /** For this process and for good: no debugger attaches, no core file is written. */
  hardenProcess(): readonly Outcome[];
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
