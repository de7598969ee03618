import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** A folder, made when it is not there: aside, and renamed, so that what is there is whole. */
export async function madeOnce(folder: string, make: (staged: string) => Promise<void>): Promise<string> {
  if (existsSync(folder)) return folder;
  await mkdir(dirname(folder), { recursive: true });
  const staged = await mkdtemp(`${folder}-`);
  try {
    await make(staged);
    await rename(staged, folder);
  } finally {
    await rm(staged, { recursive: true, force: true });
  }
  return folder;
}
