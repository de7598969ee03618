// The folders that the program uses unless a setting names others. They depend on how it was
// installed. Plain JavaScript, because the launcher imports it under Nodes that cannot run
// TypeScript.
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder with the code of the program: a checkout of the repository, or an installed package. */
export const PROGRAM = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * Whether a folder is a checkout of the repository. npm never packs package-lock.json, so an
 * installed package does not have it.
 */
export const isCheckout = (program = PROGRAM) => existsSync(join(program, 'package-lock.json'));

/**
 * Returns the folder for downloaded programs and native addons. An installed package may lie in a
 * folder that the user cannot write to, so its cache is in the user's cache folder.
 * @param {NodeJS.ProcessEnv} env
 * @param {string} [program]
 */
export function cacheFolder(env, program = PROGRAM) {
  if (env['DINF_CACHE']) return resolve(env['DINF_CACHE']);
  if (isCheckout(program)) return join(program, '.cache');
  const xdg = env['XDG_CACHE_HOME'];
  if (xdg && isAbsolute(xdg)) return join(xdg, 'd-inference');
  return process.platform === 'darwin'
    ? join(homedir(), 'Library', 'Caches', 'd-inference')
    : join(homedir(), '.cache', 'd-inference');
}

/**
 * Returns the folder with the keys and data of the network or machine that a command works for. An
 * installed program is started in any folder, so its default does not depend on that folder.
 * @param {NodeJS.ProcessEnv} env
 * @param {string} [program]
 */
export const homeFolder = (env, program = PROGRAM) =>
  resolve(env['DINF_HOME'] || (isCheckout(program) ? '.dinf' : join(homedir(), '.dinf')));

/** Digits of a package's digest in the folder name of a version. */
const DIGEST_DIGITS = 8;

/**
 * Returns the name of the folder into which the installer of a network puts one version. Two
 * packages with the same version number are different versions.
 * @param {{ version: string, sha256: string }} offered
 */
export const versionFolder = ({ version, sha256 }) =>
  `${version}-${sha256.slice(0, DIGEST_DIGITS)}`;
