import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '#bus-schemas/message-of.ts';

/** A file system in a file, which can be filled and whose writes can be made to wait. */
export interface FaultyDisk extends Disposable {
  readonly folder: string;
  /** Takes all space that is left. Returns a function that frees it. */
  fill(): () => void;
  /** Makes most writes wait. Returns a function that ends this. */
  slow(): () => Promise<void>;
}

/** The file is sparse: it takes as much space as was written to it. */
const SIZE = '6G';
/** While a disk is slow, writes wait for so long, and then pass for so long, in milliseconds. */
const WAITS_MS = 250;
const PASSES_MS = 30;
const BLOCK = 4_096;

const run = (command: string, ...args: string[]) =>
  void execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });

/** Mounts a disk. Nothing may use it when it is disposed. */
export function mountFaultyDisk(size = SIZE): FaultyDisk {
  using made = new DisposableStack();
  const place = mkdtempSync(join(tmpdir(), 'dinf-faulty-disk-'));
  made.defer(() => rmSync(place, { recursive: true }));
  const file = join(place, 'disk');
  const folder = join(place, 'mounted');
  run('truncate', '-s', size, file);
  run('mkfs.ext4', '-q', '-m', '0', file);
  run('mkdir', folder);
  run('mount', '-o', 'loop', file, folder);
  made.defer(() => run('umount', folder));
  let isFrozen = false;
  const thaw = (): void => {
    if (isFrozen) run('fsfreeze', '--unfreeze', folder);
    isFrozen = false;
  };
  made.defer(thaw);
  const owned = made.move();
  return {
    folder,
    fill: () => {
      const filling = join(folder, 'filling');
      const { bavail, bsize } = statfsSync(folder);
      writeFileSync(filling, '');
      // The last blocks are needed for the tree of the file itself, so the size falls until it fits.
      for (let bytes = bavail * bsize; bytes > BLOCK; bytes -= BLOCK * 16)
        try {
          run('fallocate', '-l', String(bytes), filling);
          break;
        } catch {
          // One try with less follows.
        }
      return () => rmSync(filling, { force: true });
    },
    slow: () => {
      let isOver = false;
      const waiting = (async () => {
        while (!isOver) {
          run('fsfreeze', '--freeze', folder);
          isFrozen = true;
          await delay(WAITS_MS);
          thaw();
          await delay(PASSES_MS);
        }
      })();
      return async () => {
        isOver = true;
        await waiting;
      };
    },
    [Symbol.dispose]: () => owned.dispose(),
  };
}

/** Returns why no such disk can be mounted here; undefined if it can. */
export function whyNoFaultyDisk(): string | undefined {
  try {
    using disk = mountFaultyDisk('16M');
    run('fsfreeze', '--freeze', disk.folder);
    run('fsfreeze', '--unfreeze', disk.folder);
    return undefined;
  } catch (error) {
    return `a disk in a file cannot be mounted and frozen: ${messageOf(error).split('\n').filter(Boolean).at(-1)}`;
  }
}
