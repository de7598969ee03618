import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Network } from '#testcontainers';

const LOOK_MS = 1_000;
/** Longer than a recovery of the streams after a restart. */
const FAILING_MS = 8_000;
/** Time between two restarts that did not help. */
const AGAIN_MS = 60_000;
/** Less free space than this counts as a full disk, where a restart would only fail again. */
const ENOUGH_BYTES = 16 * 1024 * 1024;

/**
 * nats-server keeps a write error for ever: after its disk was full, a stream stores nothing until the server is started again. This
 * stops the hub when streams fail although there is space; `keepRunning` starts it again.
 */
export function careForHub({ network, log }: { network: Network; log: Logger }): AsyncDisposable {
  let restartedAt = Number.NEGATIVE_INFINITY;
  let saidFull = false;
  const look = async (): Promise<void> => {
    const failing = network.coordinator.bus.failingStreams().filter(({ forMs }) => forMs >= FAILING_MS);
    if (failing.length === 0) {
      saidFull = false;
      return;
    }
    const folder = storeFolder(network.home);
    const { bavail, bsize } = await statfs(folder);
    const said = failing.map(({ stream, error }) => `${stream} (${error})`).join(', ');
    if (bavail * bsize < ENOUGH_BYTES) {
      if (!saidFull) log.error(`JetStream stores no facts of ${said}: its disk is full at ${folder}. Requests are served; free space there.`);
      saidFull = true;
      return;
    }
    if (performance.now() - restartedAt < AGAIN_MS) return;
    restartedAt = performance.now();
    log.error(`JetStream stores no facts of ${said}, although ${Math.round((bavail * bsize) / 1_000_000)} MB are free at ${folder}: the hub is restarted`);
    await network.hub.stop();
  };
  let looking = Promise.resolve();
  const timer = setInterval(() => {
    looking = looking.then(look).catch((error: unknown) => log.error({ err: error }, 'the hub could not be looked after'));
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
