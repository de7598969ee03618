import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readlink, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { PROGRAM } from '#bus-schemas/program-folders.mjs';

/**
 * The program as the installer of a network puts it on a computer: each version in a folder of its
 * own, and one link that names the version in use. Changing the link changes the version at once.
 *
 *     <prefix>/bin/dinf                                   the link that users and services start
 *     <prefix>/lib/d-inference/<version>/bin/dinf         the program of one version
 *     <prefix>/lib/d-inference/<version>/lib/node_modules/d-inference
 */
export interface Installation {
  /** The link. */
  readonly launcher: string;
  /** The folder with the versions. */
  readonly versions: string;
  /** The folder name of the version that runs this code. */
  readonly running: string;
}

const IN_A_VERSION =
  /^(?<versions>(?<prefix>.*)\/lib\/d-inference)\/(?<running>[^/]+)\/lib\/node_modules\/d-inference$/;
/** The version in use, the one before it, and one that another service of this user may run. */
const KEPT_VERSIONS = 3;

/** Undefined for a checkout, and for a program that npm, Homebrew or an image installed. */
export function installationOf(program = PROGRAM): Installation | undefined {
  const { versions, prefix, running } = IN_A_VERSION.exec(program)?.groups ?? {};
  if (versions === undefined || prefix === undefined || running === undefined) return undefined;
  return { launcher: join(prefix, 'bin', 'dinf'), versions, running };
}

/** The code of a version. */
export const codeOf = ({ versions }: Installation, name: string): string =>
  join(versions, name, 'lib', 'node_modules', 'd-inference');

/** The program of a version. */
export const programOf = ({ versions }: Installation, name: string): string =>
  join(versions, name, 'bin', 'dinf');

/** The folder name of the version that the link names; undefined if it names something else. */
export async function linkedVersion({
  launcher,
  versions,
}: Installation): Promise<string | undefined> {
  const target = await readlink(launcher).catch(() => undefined);
  if (target === undefined) return undefined;
  const [name, ...rest] = relative(versions, resolve(dirname(launcher), target)).split('/');
  return rest.join('/') === 'bin/dinf' ? name : undefined;
}

/** Lets the link name another version. A crash leaves the old link or the new one, never none. */
export async function linkVersion(installation: Installation, name: string): Promise<void> {
  const { launcher } = installation;
  const fresh = `${launcher}.${randomBytes(6).toString('hex')}`;
  await mkdir(dirname(launcher), { recursive: true });
  await symlink(relative(dirname(launcher), programOf(installation, name)), fresh);
  await rename(fresh, launcher);
}

/**
 * Lets `fill` write a version into a folder beside its place, and then renames the folder: a version
 * that has its name is complete.
 */
export async function addVersion(
  { versions }: Installation,
  name: string,
  fill: (folder: string) => Promise<void>,
): Promise<void> {
  const place = join(versions, name);
  if (existsSync(place)) return;
  const folder = `${place}${INCOMPLETE}`;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  try {
    await fill(folder);
    await rename(folder, place);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}
const INCOMPLETE = '.incomplete';

/** Deletes the oldest versions that nothing names. */
export async function removeOldVersions(
  { versions, running }: Installation,
  inUse: readonly string[],
): Promise<void> {
  const names = (await readdir(versions)).filter((name) => !name.endsWith(INCOMPLETE));
  const dated = await Promise.all(
    names.map(async (name) => ({ name, at: (await stat(join(versions, name))).mtimeMs })),
  );
  const old = dated
    .toSorted((one, other) => other.at - one.at)
    .slice(KEPT_VERSIONS)
    .filter(({ name }) => name !== running && !inUse.includes(name));
  for (const { name } of old) await rm(join(versions, name), { recursive: true, force: true });
}
