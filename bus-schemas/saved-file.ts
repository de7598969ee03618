import { randomBytes } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';

/**
 * Returns the content of a file. If there is no file, it is written with the result of `make`,
 * completely or not at all.
 */
export async function readOrCreate(path: string, make: () => Promise<string>): Promise<string> {
  const known = await readIfThere(path);
  if (known !== undefined) return known;
  const text = await make();
  await replace(path, text);
  return text;
}

export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Writes a file completely or not at all, so that a crash leaves no half-written key. By default
 * other users of the machine cannot read it.
 */
export async function replace(path: string, text: string, mode = 0o600): Promise<void> {
  await replaceWith(path, (fresh) => writeFile(fresh, text, { mode, flag: 'wx' }));
}

/**
 * Lets `write` create a file beside `path` and then renames it to `path`. If `write` fails, `path`
 * is unchanged and the new file is deleted.
 */
export async function replaceWith(
  path: string,
  write: (fresh: string) => Promise<void>,
): Promise<void> {
  const fresh = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await write(fresh);
    await rename(fresh, path);
  } catch (error) {
    await rm(fresh, { force: true });
    throw error;
  }
}
