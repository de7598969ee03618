import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';

import { LaunchError } from './launch-error.ts';
import { messageOf } from './message-of.ts';
import {
  type Exit,
  type SupervisedOptions,
  type SupervisedProcess,
  startSupervised,
} from './supervised-process.ts';

/** A child process that can be started again in its place: same ports, same data. */
export interface Restartable {
  /** Settles when the current run has ended. */
  readonly exited: Promise<Exit>;
  restart(): Promise<void>;
}

export interface KeepRunningOptions {
  /** For log lines: "the hub", "Postgres". */
  readonly name: string;
  readonly child: Restartable;
  readonly log: Pick<Logger, 'error'>;
  /**
   * Called once when every pause of `pausesMs` is used up by failures in a row; the child then
   * stays down.
   * Without it the last pause is repeated for ever.
   */
  readonly onGivingUp?: (error: LaunchError) => void;
  /**
   * Waiting time before each new start, in milliseconds; failures in a row go through it from the
   * left.
   */
  readonly pausesMs?: readonly number[];
}

/** Together about a minute: a disk that is full for half a minute does not end the network. */
const PAUSES_MS = [100, 500, 2_000, 5_000, 10_000, 10_000, 10_000, 10_000, 10_000] as const;
/** A run of this length or more was no failure to start: the pauses begin from the left again. */
const STABLE_MS = 60_000;

/**
 * Starts a child process again each time it ends, after a pause that grows with failures in a row.
 * Disposing ends the watch and
 * waits for a start that is under way, so that the caller can then stop the child for good. Dispose
 * before stopping the child.
 */
export function keepRunning(options: KeepRunningOptions): AsyncDisposable {
  const stopping = new AbortController();
  const stopped = new Promise<'stopped'>((resolve) =>
    stopping.signal.addEventListener('abort', () => resolve('stopped'), { once: true }),
  );
  const watching = watch(options, stopping.signal, stopped);
  return {
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await watching;
    },
  };
}

async function watch(
  { name, child, log, onGivingUp, pausesMs = PAUSES_MS }: KeepRunningOptions,
  signal: AbortSignal,
  stopped: Promise<'stopped'>,
) {
  let failures = 0;
  for (;;) {
    const startedAt = performance.now();
    const exit = await Promise.race([child.exited, stopped]);
    if (exit === 'stopped') return;
    const endedAt = performance.now();
    if (endedAt - startedAt >= STABLE_MS) failures = 0;
    let why = `${name} ended (${exit.signal ?? `exit code ${exit.code}`})`;
    for (let isUp = false; !isUp; ) {
      const pause = pausesMs[failures] ?? (onGivingUp === undefined ? pausesMs.at(-1) : undefined);
      if (pause === undefined) {
        onGivingUp?.(
          new LaunchError(
            'crash_loop',
            `${why}. It failed ${failures + 1} times in a row and is not started again.`,
          ),
        );
        return;
      }
      failures += 1;
      await delay(pause, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        await child.restart();
        isUp = true;
        log.error(
          `${why}; it was started again after ${Math.round(performance.now() - endedAt)} ms`,
        );
      } catch (error) {
        why = `${name} could not be started again: ${messageOf(error)}`;
        log.error(why);
      }
    }
  }
}

export type RestartableProcess = Restartable &
  AsyncDisposable &
  Pick<SupervisedProcess, 'pid' | 'logs'>;

/** A supervised process that can be started again with the same command line. */
export async function startRestartable(options: SupervisedOptions): Promise<RestartableProcess> {
  let current = await startSupervised(options);
  return {
    get pid() {
      return current.pid;
    },
    get exited() {
      return current.exited;
    },
    logs: () => current.logs(),
    restart: async () => {
      await current.stop();
      current = await startSupervised(options);
    },
    [Symbol.asyncDispose]: () => current[Symbol.asyncDispose](),
  };
}
