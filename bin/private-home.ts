import { chmodSync, statSync } from 'node:fs';

const OTHERS_READ_OR_WRITE = 0o066;

/**
 * Takes from a home what lets other users list it or put files there: it holds keys, and a file planted in it would be read as ours.
 * The right to pass through stays where it was, because a Postgres that runs as another user than root has its data below.
 */
export function closeHome(home: string, warn: (line: string) => void): void {
  const found = statSync(home, { throwIfNoEntry: false });
  if (found === undefined || !found.isDirectory() || (found.mode & OTHERS_READ_OR_WRITE) === 0) return;
  const [before, after] = [found.mode & 0o777, found.mode & 0o777 & ~OTHERS_READ_OR_WRITE];
  try {
    chmodSync(home, after);
    warn(`other users could read or write ${home} (mode ${before.toString(8)}); it has mode ${after.toString(8)} now`);
  } catch (error) {
    warn(`other users can read or write ${home} (mode ${before.toString(8)}), and that cannot be changed: ${error instanceof Error ? error.message : error}`);
  }
}
