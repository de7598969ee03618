import { Timeline } from '#simulator/replay/timeline.ts';
import { currentHost, type Host, runOn } from './host.ts';
import { runInTurns } from './real-work.ts';

/** The time of the world begins at this date, in milliseconds since 1970. */
const BEGIN = Date.UTC(2026, 0, 1);

export interface Planned {
  isCancelled: boolean;
}

/**
 * The time of a world. It stands still while code runs, and jumps to the next planned event when
 * all promises have settled.
 */
export class VirtualTime {
  readonly #timeline = new Timeline();
  readonly #onError: (host: Host | undefined, error: unknown) => void;

  /** `onError` receives what a planned event threw: a real process would have ended by it. */
  constructor(onError: (host: Host | undefined, error: unknown) => void) {
    this.#onError = onError;
  }

  /** Milliseconds since the begin of the world. */
  get now(): number {
    return this.#timeline.now;
  }

  /** What the clock of the running host shows, in milliseconds since 1970. */
  date(): number {
    return Math.floor(BEGIN + this.now + (currentHost()?.clockOffsetMs ?? 0));
  }

  plan(delayMs: number, run: () => void, host = currentHost()): Planned {
    const planned = { isCancelled: false };
    const fire = (): void => {
      if (planned.isCancelled || host?.isAlive === false) return;
      if (host !== undefined && (host.frozenUntil > this.now || host.held.length > 0))
        return this.#hold(host, fire);
      try {
        runOn(host, run);
      } catch (error) {
        this.#onError(host, error);
      }
    };
    this.#timeline.after(Math.max(0, delayMs), fire);
    return planned;
  }

  /** A host that is frozen once more before it thaws still does everything in its order. */
  #hold(host: Host, fire: () => void): void {
    host.held.push(fire);
    if (host.held.length === 1) this.#releaseHeld(host);
  }

  #releaseHeld(host: Host): void {
    this.#timeline.at(host.frozenUntil, () => {
      if (host.frozenUntil > this.now) return this.#releaseHeld(host);
      for (const fire of host.held.splice(0)) this.#timeline.at(this.now, fire);
    });
  }

  /** Runs the world until this time. */
  async runUntil(end: number): Promise<void> {
    await this.#run(() => this.#timeline.runNext(end));
    this.#timeline.jumpTo(end);
  }

  /** Runs the world until the promise settles, for `limitMs` at most. */
  async runWhile<Result>(work: Promise<Result>, limitMs = 60_000): Promise<Result> {
    let isOpen = true;
    const close = () => {
      isOpen = false;
    };
    work.then(close, close);
    const end = this.now + limitMs;
    await this.#run(() => isOpen && this.#timeline.runNext(end));
    if (isOpen) throw new Error(`the work did not end within ${limitMs} ms of the world's time`);
    return work;
  }

  #run(next: () => boolean): Promise<void> {
    return runInTurns(next, (error) => this.#onError(undefined, error));
  }
}
