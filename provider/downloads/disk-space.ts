import { statfs } from 'node:fs/promises';
import { DownloadError } from './download-error.ts';
import { gb } from './fit.ts';

/** Space that stays free on the disk, in bytes. */
const SPARE_BYTES = 1_000_000_000;

/** Throws if the disk of a folder has too little space for so many bytes. */
export async function requireSpace(folder: string, bytes: number, remedy = ''): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  const needed = bytes + SPARE_BYTES;
  if (free < needed)
    throw new DownloadError(
      'no_space',
      `The disk of ${folder} has ${gb(free)} free, and ${gb(needed)} are needed.${remedy && ` ${remedy}`}`,
    );
}
