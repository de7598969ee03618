import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';

/** Time in which the last processes that use a disk must end, in milliseconds. */
const ENDING = { timeout: 20_000, interval: 200 };

/** A file system of its own, which only root can mount. */
export interface SmallDisk {
  readonly folder: string;
  resize(size: string): void;
  /** Writes until no byte fits. Returns a function that deletes what was written. */
  fill(): () => void;
}

function mount(folder: string, options: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], { stdio: 'ignore' });
}

export function canMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'dinf-mount-'));
  try {
    mount(folder, 'size=1m');
    execFileSync('umount', [folder]);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Mounts a disk, which is removed with the stack. Whatever uses it then must be about to end. */
export function mountDisk(stack: AsyncDisposableStack, size: string): SmallDisk {
  const folder = mkdtempSync(join(tmpdir(), 'dinf-small-disk-'));
  stack.defer(() => rmSync(folder, { recursive: true }));
  mount(folder, `size=${size}`);
  stack.defer(() =>
    vi.waitFor(() => void execFileSync('umount', [folder], { stdio: 'ignore' }), ENDING),
  );
  return {
    folder,
    resize: (to) => void execFileSync('mount', ['-o', `remount,size=${to}`, folder]),
    fill: () => {
      const file = join(folder, 'fill');
      try {
        execFileSync('dd', ['if=/dev/zero', `of=${file}`, 'bs=4k'], { stdio: 'ignore' });
      } catch {
        // dd ends with an error when the disk is full.
      }
      return () => rmSync(file);
    },
  };
}
