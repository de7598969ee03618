import { join } from 'node:path';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { type Lock, tryLock } from '#bus-schemas/file-lock.ts';

export interface FolderLockOptions {
  readonly folder: string;
  /** The command that may run only once in this folder, as users type it after `dinf`. */
  readonly command: string;
  /** How the user can run a second one; ends the sentence "Stop it, or …". */
  readonly remedy: string;
}

/**
 * Ensures that only one process uses a folder; two would overwrite each other's state. The caller
 * must take the lock before it writes anything into the folder.
 */
export function lockFolder({ folder, command, remedy }: FolderLockOptions): Lock {
  const taken = tryLock(join(folder, `${command.replaceAll(' ', '-')}.lock`));
  if ('lock' in taken) return taken.lock;
  throw new CommandError(
    EXIT.unavailable,
    `Another "dinf ${command}" (process ${taken.holders.join(', ')}) already uses ${folder}. Stop it, or ${remedy}.`,
  );
}
