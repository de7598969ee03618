import { realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

const GROUP_OR_OTHERS_WRITE = 0o022;
const STICKY = 0o1000;

/**
 * Returns how another user of this machine could replace a file, or undefined if only root and this
 * user can. Every folder above the file is checked: an attacker who may write to one of them could
 * put their own program in place of the file.
 */
export async function replaceableBy(file: string): Promise<string | undefined> {
  for (let path = await realpath(file), isFile = true; ; path = dirname(path), isFile = false) {
    const { uid, mode } = await stat(path);
    if (uid !== 0 && uid !== process.getuid?.()) return `${path} belongs to another user (${uid})`;
    // In a sticky folder, like /tmp, other users can add files but not replace or rename
    // this one.
    const isProtected = (mode & GROUP_OR_OTHERS_WRITE) === 0 || (!isFile && (mode & STICKY) !== 0);
    if (!isProtected) return `other users may write to ${path}`;
    if (path === dirname(path)) return undefined;
  }
}
