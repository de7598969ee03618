import { chmodSync, statSync } from 'node:fs';

const OTHERS_READ_OR_WRITE = 0o066;

/**
 * Removes the permissions with which other users can list a home or create files in it. The home
 * holds keys, and another user could plant a file, such as a key, that this program would then
 * trust. The permission to pass through the folder stays, because a Postgres that runs as the user
 * `nobody` has its data below.
 */
export function closeHome(home: string, warn: (line: string) => void): void {
  const status = statSync(home, { throwIfNoEntry: false });
  if (status === undefined || !status.isDirectory() || (status.mode & OTHERS_READ_OR_WRITE) === 0)
    return;
  const [before, after] = [status.mode & 0o777, status.mode & 0o777 & ~OTHERS_READ_OR_WRITE];
  try {
    chmodSync(home, after);
    warn(
      `other users could read or write ${home} (mode ${before.toString(8)}); it has mode ${after.toString(8)} now`,
    );
  } catch (error) {
    warn(
      `other users can read or write ${home} (mode ${before.toString(8)}), and that cannot be changed: ${error instanceof Error ? error.message : error}`,
    );
  }
}
