import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { prefixFolder } from './prefix-settings.ts';
import { UNIT_NAME } from './sealed-unit.ts';

/**
 * Deletes all stored pages of a machine. An engine that runs meanwhile computes them again. The count
 * of bytes that were written today stays.
 */
export async function clearPrefixes(home: string): Promise<{ files: number; bytes: number }> {
  const folder = prefixFolder(home);
  const names = await readdir(folder).catch(() => []);
  let bytes = 0;
  let files = 0;
  for (const name of names) {
    if (!UNIT_NAME.test(name)) continue;
    const about = await stat(join(folder, name)).catch(() => undefined);
    await rm(join(folder, name), { force: true });
    bytes += about?.size ?? 0;
    files += 1;
  }
  return { files, bytes };
}
