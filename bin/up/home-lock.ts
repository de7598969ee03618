import { join } from 'node:path';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import { type Lock, tryLock } from '../setup/lock.ts';

/**
 * One `dinf up` for each home: two would run two hubs on one JetStream store and two servers on one Postgres cluster. Taken before
 * anything in the home is written.
 */
export function lockHome(home: string): Lock {
  const taken = tryLock(join(home, 'up.lock'));
  if ('lock' in taken) return taken.lock;
  throw new CommandError(
    EXIT.unavailable,
    `Another "dinf up" (process ${taken.holders.join(', ')}) runs out of ${home}. Stop it, or name another folder with DINF_HOME.`,
  );
}
