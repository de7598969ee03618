import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Network } from '#network';

/** Time between two checks of the streams, in milliseconds. */
const LOOK_MS = 1_000;
/** A stream that fails this long counts as failing; streams recover from a restart in less time. */
const FAILING_MS = 8_000;
/**
 * Minimum time between two restarts, in milliseconds, for the case that a restart does not help.
 */
const AGAIN_MS = 60_000;
/** With less free space than this the disk counts as full, and a restart would not help. */
const ENOUGH_BYTES = 16 * 1024 * 1024;

/**
 * Restarts the hub after its disk was full. nats-server keeps a write error: a stream then stores
 * nothing until the server restarts, even if there is space again. This function stops the hub when
 * streams fail although there is space, and `keepRunning` starts it again.
 */
export function careForHub({ network, log }: { network: Network; log: Logger }): AsyncDisposable {
  let restartedAt = Number.NEGATIVE_INFINITY;
  let reportedFull = false;
  const look = async (): Promise<void> => {
    const failing = network.coordinator.bus
      .failingStreams()
      .filter(({ forMs }) => forMs >= FAILING_MS);
    if (failing.length === 0) {
      reportedFull = false;
      return;
    }
    const folder = storeFolder(network.home);
    const { bavail, bsize } = await statfs(folder);
    const streams = failing.map(({ stream, error }) => `${stream} (${error})`).join(', ');
    if (bavail * bsize < ENOUGH_BYTES) {
      if (!reportedFull)
        log.error(
          `JetStream cannot store messages of ${streams}: the disk of ${folder} is full. Requests are still served; free space on it.`,
        );
      reportedFull = true;
      return;
    }
    if (performance.now() - restartedAt < AGAIN_MS) return;
    restartedAt = performance.now();
    log.error(
      `JetStream cannot store messages of ${streams}, although ${Math.round((bavail * bsize) / 1_000_000)} MB are free at ${folder}: restarting the hub`,
    );
    await network.hub.stop();
  };
  let looking = Promise.resolve();
  const timer = setInterval(() => {
    looking = looking
      .then(look)
      .catch((error: unknown) =>
        log.error({ err: error }, 'checking the streams of the hub failed'),
      );
  }, LOOK_MS);
  return {
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      await looking;
    },
  };
}

function storeFolder(home: string): string {
  const folder = join(home, 'hub', 'jetstream');
  return existsSync(folder) ? folder : home;
}
