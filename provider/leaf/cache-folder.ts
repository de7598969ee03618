import { resolve } from 'node:path';

const PROJECT = resolve(import.meta.dirname, '../..');

/** Where fetched programs are kept between runs. */
export function cacheFolder(env: NodeJS.ProcessEnv): string {
  return resolve(PROJECT, env['DINF_CACHE'] || '.cache');
}
