import { LogView } from '#client/log-view.ts';
import { send } from '../api/call.ts';
import { readLogHead, storeLogHead } from '../chat/log-head.ts';

export interface CheckedLog {
  /** Entries of the head that this browser had accepted before; undefined if this is its first. */
  readonly before: number | undefined;
  readonly size: number;
}

/**
 * Checks the newest head of the log as the sealed chat does, and stores it. Throws with a reason if
 * it is not signed, or does not extend the head that this browser accepted before.
 */
export async function checkLog(): Promise<CheckedLog> {
  const savedHead = readLogHead();
  const log = new LogView({
    get: async (path) => (await send({ method: 'GET', path })).json(),
    savedHead,
    onHead: storeLogHead,
    now: Date.now,
  });
  const { size } = await log.refresh();
  return { before: savedHead?.size, size };
}
