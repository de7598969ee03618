import type { Sequence } from './engine.ts';
import type { Stay } from './residency/residency.ts';
import type { Running } from './scheduling/task.ts';

/** The caller's handle of a request. It stores pause and cancel until the model is loaded. */
export class PendingSequence implements Sequence {
  readonly #stay: Stay;
  #running: Running | undefined;
  #paused = false;
  isCancelled = false;

  constructor(stay: Stay) {
    this.#stay = stay;
  }

  follow(running: Running): void {
    this.#running = running;
    if (this.#paused) running.pause();
    if (this.isCancelled) running.cancel();
  }

  pause(): void {
    this.#paused = true;
    this.#running?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#running?.resume();
  }

  cancel(): void {
    this.isCancelled = true;
    if (this.#running === undefined) this.#stay.leave();
    else this.#running.cancel();
  }
}
