import { loadAddon } from './loaded-addon.ts';

export type Measure = 'debugger_denied' | 'core_dumps_off';

/** `error` is the operating system's error message. */
export type HardeningOutcome =
  | { readonly measure: Measure; readonly done: true }
  | { readonly measure: Measure; readonly done: false; readonly error: string };

export interface Hardening {
  readonly available: true;
  /** Denies debuggers and core files for this process. It cannot be undone. */
  hardenProcess(): readonly HardeningOutcome[];
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
