import { statfs } from 'node:fs/promises';
import type { GuestNote } from '../reasons.ts';
import type { DoorInput } from './door.ts';

/** Free space below which the files of a machine cannot be written reliably, in bytes. */
const LEAST_BYTES = 1_048_576;

/** Tells the owner that the disk of the machine is full. The machine needs no disk to serve. */
export class DiskInput implements DoorInput {
  readonly #freeBytes: () => number | undefined;

  /** `freeBytes` returns undefined if it cannot be read. */
  constructor(freeBytes: () => number | undefined) {
    this.#freeBytes = freeBytes;
  }

  closedAt(): undefined {
    return undefined;
  }

  get notes(): readonly GuestNote[] {
    const free = this.#freeBytes();
    return free !== undefined && free < LEAST_BYTES ? ['disk_full'] : [];
  }
}

/** Reads the free space of the disk with a folder, in bytes. */
export const diskReader = (folder: string) => async (): Promise<number | undefined> => {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch {
    // A file system that does not state its space has no note.
    return undefined;
  }
};
