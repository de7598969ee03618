import { setTimeout as delay } from 'node:timers/promises';

import { LaunchError } from './launch-error.ts';

const TIMEOUT_MS = 15_000;
const RETRY_MS = 50;

/**
 * Starts a process again with the ports and the data of its predecessor. It retries while they are
 * in use: an outgoing connection of another program may have been given the port for a moment, and
 * the children of a killed Postgres release its shared memory a little later.
 */
export async function startAgain<T>(start: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + TIMEOUT_MS;
  for (;;) {
    try {
      return await start();
    } catch (error) {
      if (
        !(error instanceof LaunchError && error.code === 'address_in_use') ||
        Date.now() > deadline
      )
        throw error;
      await delay(RETRY_MS);
    }
  }
}
