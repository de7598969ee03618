import { setTimeout as delay } from 'node:timers/promises';

import { LaunchError } from './launch-error.ts';

const TIMEOUT_MS = 15_000;
const RETRY_MS = 50;

/**
 * Starts a process again where its predecessor was. While that was away, an outgoing connection of
 * anyone may
 * have been given its port for a moment, and orphans of a killed Postgres let go of its memory a
 * little later.
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
