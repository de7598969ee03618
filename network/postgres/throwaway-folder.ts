import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isAlive } from '#bus-schemas/file-lock.ts';

/** Younger folders are kept: a process in another container may share this folder, and not the numbers. */
const LEFT_AFTER_MS = 3_600_000;

/**
 * Makes a folder that this process deletes when it ends. Folders of processes that were killed before they
 * could are deleted first: in memory they would take room until the computer starts again.
 */
export async function makeThrowawayFolder(parent: string, prefix: string): Promise<string> {
  await removeLeftBehind(parent, prefix);
  return mkdtemp(join(parent, `${prefix}${process.pid}-`));
}

async function removeLeftBehind(parent: string, prefix: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const owner = name.startsWith(prefix) ? Number.parseInt(name.slice(prefix.length), 10) : 0;
    if (!(owner > 0) || isAlive(owner)) continue;
    const path = join(parent, name);
    const found = await stat(path).catch(() => undefined);
    // A folder of another user stays.
    if (found && Date.now() - found.mtimeMs > LEFT_AFTER_MS)
      await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}
