import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { acquireLock } from '#bus-schemas/file-lock.ts';

/**
 * Creates a folder and its contents unless it exists, and returns it; other processes wait meanwhile.
 * The contents are created in a temporary folder that is renamed at the end, so that a folder that
 * exists is complete.
 */
export async function ensureFolder(
  folder: string,
  create: (staged: string) => Promise<void>,
): Promise<string> {
  if (existsSync(folder)) return folder;
  await using _lock = await acquireLock(`${folder}.lock`, {});
  if (existsSync(folder)) return folder;
  await mkdir(dirname(folder), { recursive: true });
  const staged = await mkdtemp(`${folder}-`);
  try {
    await create(staged);
    await rename(staged, folder);
  } finally {
    await rm(staged, { recursive: true, force: true });
  }
  return folder;
}
