import type { Guard, GuardedWork } from '../guarded-work.ts';

/** Time in milliseconds in which the process of an engine sends at least one message. */
export const SILENCE_MS = 20_000;

interface RunningWork extends GuardedWork {
  ranMs: number;
}

/** The work that an engine does at present, and how long it has taken. */
export class WorkWatch {
  readonly #running = new Set<RunningWork>();
  readonly #onLongWork: () => void;

  /**
   * `onLongWork` is called before work that may block this process for longer than SILENCE_MS: the
   * backends in TypeScript compute in the main thread.
   */
  constructor(onLongWork: () => void) {
    this.#onLongWork = onLongWork;
  }

  readonly guard: Guard = async (work, run) => {
    const running = { ...work, ranMs: 0 };
    this.#running.add(running);
    if (work.limitMs > SILENCE_MS) this.#onLongWork();
    try {
      return await run(() => {
        running.ranMs = 0;
      });
    } finally {
      this.#running.delete(running);
    }
  };

  /** Counts time in which this process ran, in milliseconds. */
  tick(ms: number): void {
    for (const work of this.#running) work.ranMs += ms;
  }

  /** The work that has exceeded its limit. */
  get overdue(): GuardedWork | undefined {
    return [...this.#running].find(({ ranMs, limitMs }) => ranMs > limitMs);
  }

  /** Time in milliseconds for which this process may send nothing from now on. */
  get silenceMs(): number {
    return Math.max(SILENCE_MS, ...[...this.#running].map(({ limitMs }) => limitMs));
  }
}
