import { join } from 'node:path';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { type Lock, tryLock } from './setup/lock.ts';

export interface FolderLockOptions {
  readonly folder: string;
  /** The command that may run only once out of this folder, as people type it after `dinf`. */
  readonly command: string;
  /** How to run a second one. */
  readonly remedy: string;
}

/** One process for each folder, taken before anything in the folder is written: two would write over each other's state. */
export function lockFolder({ folder, command, remedy }: FolderLockOptions): Lock {
  const taken = tryLock(join(folder, `${command.replaceAll(' ', '-')}.lock`));
  if ('lock' in taken) return taken.lock;
  throw new CommandError(EXIT.unavailable, `Another "dinf ${command}" (process ${taken.holders.join(', ')}) runs out of ${folder}. Stop it, or ${remedy}.`);
}
