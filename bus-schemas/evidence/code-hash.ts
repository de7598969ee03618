import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import { checkerOf } from '../compiled/compiled-checker.ts';
import { Type } from '../type.ts';

/** The exact packages: npm puts npm-shrinkwrap.json into a package, and package-lock.json never. */
const LOCKS = ['package-lock.json', 'npm-shrinkwrap.json'];
const CODE = /\.(ts|js|mjs|json|c|cc|cpp|h|hpp|m|mm|metal|gyp|gypi)$/;
const NOT_CODE = /(\.test\.ts|-under-test\.ts)$|(^|\/)(build|fixtures|vectors)\//;

/**
 * Returns the SHA-256 digest over the names and digests of the files, in order. Tests, fixtures and
 * files that are built on the machine do not belong to them. It is the same on
 * all machines with the same release in the same form: a checkout runs TypeScript and an installed
 * package JavaScript, so the coordinator must know both as releases.
 */
export function codeHash(root = resolve(import.meta.dirname, '../..')): Uint8Array {
  const names = codeFolders(root).flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => relative(root, join(parentPath, name)).split(sep).join('/')),
  );
  const hash = createHash('sha256').update('d-inference code 1\n');
  for (const name of [
    ...names.filter((each) => CODE.test(each) && !NOT_CODE.test(each)),
    ...LOCKS.filter((name) => existsSync(join(root, name))),
    'package.json',
  ].toSorted()) {
    const digest = createHash('sha256')
      .update(readFileSync(join(root, name)))
      .digest('hex');
    hash.update(`${digest} ${name}\n`);
  }
  return hash.digest();
}

const Manifest = Type.Object({
  codeFolders: Type.Array(Type.String({ pattern: '^[a-z][a-z0-9-]*$' }), { minItems: 1 }),
});

/**
 * The folders of a release that a provider runs. Each release names its own in package.json, which
 * the digest covers: so an older program computes the digest of a newer one as that does itself.
 */
const codeFolders = (root: string): readonly string[] =>
  checkerOf(Manifest).Parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')))
    .codeFolders;
