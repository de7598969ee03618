// Keeps compiled modules in the cache folder, so that the next start of this program, and of the
// processes that it starts, takes less processor time
// (docs/decisions/0195-compiled-modules-are-kept.md).
import module from 'node:module';
import { join } from 'node:path';
import { cacheFolder } from '#bus-schemas/program-folders.mjs';

/** @param {NodeJS.ProcessEnv} env */
export const compiledModules = (env) => join(cacheFolder(env), 'compiled');

/**
 * Without write access to the folder nothing is kept, and everything else is the same.
 * @param {NodeJS.ProcessEnv} env
 */
export function keepCompiledModules(env) {
  env['NODE_COMPILE_CACHE'] ??= compiledModules(env);
  // Node before 22.1, under which only the launcher runs, has none.
  module.enableCompileCache?.(env['NODE_COMPILE_CACHE']);
}
