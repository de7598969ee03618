import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chown, cp, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { LaunchError } from '#provider';

// Postgres refuses to run as root. If this process is root, Postgres is started in a user namespace
// that maps root to the user `nobody`: the files still belong to root, so that a clone in a home
// with mode 0700 works. Where namespaces are forbidden, as in many containers, Postgres runs as
// `nobody` itself.

const NOBODY = 65534;
const IN_NAMESPACE = ['unshare', '--user', `--map-user=${NOBODY}`, `--map-group=${NOBODY}`, '--'];
const AS_NOBODY = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--'];

export type Unprivileged = {
  /** Words to put before a command line, so that the command does not run as root. */
  launcher: readonly string[];
  /** Folder with the programs of Postgres, or a copy of it that the user `nobody` can read. */
  binaries: string;
  /**
   * Folder for the data: the wanted one, or one in /var/tmp if the user `nobody` cannot enter it.
   */
  dataDir: string;
};

export async function unprivileged(binaries: string, wanted: string): Promise<Unprivileged> {
  if (process.getuid?.() !== 0) return { launcher: [], binaries, dataDir: wanted };
  if (succeeds([...IN_NAMESPACE, 'true']))
    return { launcher: IN_NAMESPACE, binaries, dataDir: wanted };
  if (!succeeds([...AS_NOBODY, 'true'])) {
    throw new LaunchError(
      'privileges',
      'Postgres does not run as root, and neither unshare nor setpriv works here. ' +
        'Run this as an ordinary user, or set DATABASE_URL to a Postgres of your own.',
    );
  }
  return await reachableByNobody(binaries, wanted);
}

async function reachableByNobody(binaries: string, wanted: string): Promise<Unprivileged> {
  const place = { launcher: AS_NOBODY, binaries, dataDir: wanted };
  const reachable = `/var/tmp/dinf-postgres-${createHash('sha256').update(wanted).digest('hex').slice(0, 16)}`;
  const canEnter = (folder: string): boolean => succeeds([...AS_NOBODY, 'test', '-x', folder]);
  if (!canEnter(join(binaries, 'bin'))) {
    place.binaries = join(reachable, 'native');
    await cp(binaries, place.binaries, { recursive: true, verbatimSymlinks: true });
  }
  if (!canEnter(dirname(wanted))) place.dataDir = join(reachable, 'data');
  await mkdir(place.dataDir, { recursive: true, mode: 0o700 });
  await chown(place.dataDir, NOBODY, NOBODY);
  return place;
}

function succeeds([command, ...args]: string[]): boolean {
  return command !== undefined && spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}
