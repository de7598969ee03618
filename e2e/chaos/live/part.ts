import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { processesOf } from '#e2e/bench/process-figures.ts';
import { keepRunning, type Restartable } from '#provider';

export interface PartOptions {
  readonly name: string;
  readonly child: Restartable;
  /** The id of the running process whose descendants belong to the part. */
  readonly pid: () => number;
  /** Called with a sentence each time the process ended and was started again. */
  readonly onRestart: (sentence: string) => void;
}

/** Pause of the supervisor before a new start, in milliseconds, however often the process fails. */
const PAUSES_MS = [200];
/** Nothing waits longer for a process that cannot be started, in milliseconds. */
const GIVE_UP_MS = 60_000;

/**
 * A process of the network that its supervisor starts again whenever it ends. A fault can hold it
 * down: then the supervisor waits.
 */
export class Part implements AsyncDisposable {
  readonly name: string;
  readonly #options: PartOptions;
  readonly #keeping: AsyncDisposable;
  #held: PromiseWithResolvers<void> | undefined;
  /** While the process is not running. */
  #down: PromiseWithResolvers<void> | undefined;

  constructor(options: PartOptions) {
    this.#options = options;
    this.name = options.name;
    const { child } = options;
    this.#keeping = keepRunning({
      name: options.name,
      child: {
        get exited() {
          return child.exited;
        },
        restart: async () => {
          await this.#held?.promise;
          await child.restart();
          this.#down?.resolve();
          this.#down = undefined;
          this.#noteEnd();
        },
      },
      log: { error: options.onRestart },
      pausesMs: PAUSES_MS,
    });
    this.#noteEnd();
  }

  #noteEnd(): void {
    void this.#options.child.exited.then(() => {
      this.#down = Promise.withResolvers();
    });
  }

  /** Resolves when the process runs, which may be at once, or when it is given up. */
  async whenRunning(): Promise<void> {
    await Promise.race([this.#down?.promise, delay(GIVE_UP_MS, undefined, { ref: false })]);
  }

  get pid(): number {
    return this.#options.pid();
  }

  /** Ends the process with SIGKILL. It is started again when the returned function is called. */
  async kill(): Promise<() => void> {
    const held = Promise.withResolvers<void>();
    this.#held = held;
    const { exited } = this.#options.child;
    signalTo([this.pid], 'SIGKILL');
    await exited;
    return () => {
      this.#held = undefined;
      held.resolve();
    };
  }

  /** The process and its descendants of this name; all of them without a name. */
  pids(named?: string): number[] {
    return processesOf(this.pid)
      .filter(({ name }) => named === undefined || name === named)
      .map(({ pid }) => pid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#held?.resolve();
    await this.#keeping[Symbol.asyncDispose]();
  }
}

/** Sends a signal to processes; those that have ended meanwhile are left out. */
export function signalTo(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids)
    try {
      process.kill(pid, signal);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
}

/** The id of the first process of a Postgres, from the file that it keeps in its data. */
export const postgresPid = (cluster: string): number =>
  Number(readFileSync(`${cluster}/postmaster.pid`, 'utf8').split('\n', 1)[0]);
