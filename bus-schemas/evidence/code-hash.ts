import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';

/**
 * All that a provider runs of this program. Tests, fixtures and what is built on the machine are no
 * part of it.
 */
const FOLDERS = ['bin', 'bus-schemas', 'native', 'provider'];
const FILES = ['package-lock.json', 'package.json'];
const CODE = /\.(ts|mjs|json|c|cc|cpp|h|hpp|m|mm|metal|gyp|gypi)$/;
const NOT_CODE = /(\.test\.ts|-under-test\.ts)$|(^|\/)(build|fixtures|vectors)\//;

/**
 * SHA-256 over the names and digests of its files, in order: the same on every machine that has the
 * same release.
 */
export function codeHash(root = resolve(import.meta.dirname, '../..')): Uint8Array {
  const names = FOLDERS.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => relative(root, join(parentPath, name)).split(sep).join('/')),
  );
  const hash = createHash('sha256').update('d-inference code 1\n');
  for (const name of [
    ...names.filter((each) => CODE.test(each) && !NOT_CODE.test(each)),
    ...FILES,
  ].toSorted()) {
    const digest = createHash('sha256')
      .update(readFileSync(join(root, name)))
      .digest('hex');
    hash.update(`${digest} ${name}\n`);
  }
  return hash.digest();
}
