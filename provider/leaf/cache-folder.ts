import { resolve } from 'node:path';

const PROJECT = resolve(import.meta.dirname, '../..');

/** The folder that keeps downloaded programs between runs. */
export function cacheFolder(env: NodeJS.ProcessEnv): string {
  return resolve(PROJECT, env['DINF_CACHE'] || '.cache');
}
