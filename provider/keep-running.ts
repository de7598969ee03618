import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '#bus-schemas/message-of.ts';
import { LaunchError } from './launch-error.ts';
import {
  type Exit,
  type SupervisedOptions,
  type SupervisedProcess,
  startSupervised,
} from './supervised-process.ts';

/** A child process that can be started again with the same ports and data. */
export interface Restartable {
  /** Resolves when the current run has ended. */
  readonly exited: Promise<Exit>;
  restart(): Promise<void>;
}

export interface KeepRunningOptions {
  /** Name for log lines, for example "the hub" or "Postgres". */
  readonly name: string;
  readonly child: Restartable;
  readonly log: { error(message: string): void };
  /**
   * Called once when more failures in a row have occurred than `pausesMs` has entries; the child is
   * then not started again. Without this callback the last pause is repeated without end.
   */
  readonly onGivingUp?: (error: LaunchError) => void;
  /** Pauses before each new start, in milliseconds. The n-th failure in a row waits the n-th. */
  readonly pausesMs?: readonly number[];
}

/** About 58 s in total, so that a disk that is full for half a minute does not end the network. */
const PAUSES_MS = [100, 500, 2_000, 5_000, 10_000, 10_000, 10_000, 10_000, 10_000] as const;
/** A run of at least this many milliseconds resets the count of failures in a row. */
const STABLE_MS = 60_000;

/**
 * Starts a child process again each time it ends, after a pause that grows with failures in a row.
 * Disposing ends the watch and waits for a start that is in progress. Dispose it before stopping
 * the child, which would otherwise be started again.
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

/** Starts a supervised process that can be started again with the same command line. */
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
