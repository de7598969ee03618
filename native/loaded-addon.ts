import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { addonPath } from './build.ts';

type LoadedAddon<Exports> =
  | { readonly available: true; readonly exports: Exports }
  | { readonly available: false; readonly reason: string };

const root = dirname(import.meta.dirname);

/** Loads an addon, or returns the reason why it cannot be loaded. Never throws. */
export function loadAddon<Exports>(name: string): LoadedAddon<Exports> {
  const path = addonPath(root, name);
  if (!existsSync(path))
    return {
      available: false,
      reason: `the addon is not built: a C++ compiler or a library is missing, or the build failed (see ${dirname(path)})`,
    };
  try {
    return { available: true, exports: createRequire(import.meta.url)(path) as Exports };
  } catch (error) {
    return { available: false, reason: error instanceof Error ? error.message : String(error) };
  }
}
