import type { Sequence } from '../engine.ts';

/** The caller's handle of a running encoding, which stops between two passes. */
export class EncodingRun implements Sequence {
  /** Gives up the wait for the model; undefined once the run has it. */
  #onCancel: (() => void) | undefined;
  #resumed: PromiseWithResolvers<void> | undefined;
  isCancelled = false;

  constructor(onCancel: () => void) {
    this.#onCancel = onCancel;
  }

  /** The model is in memory, and stays there until the run has ended. */
  begin(): void {
    this.#onCancel = undefined;
  }

  /** Resolves once the run is not paused, or is cancelled. */
  mayGoOn(): Promise<void> | undefined {
    return this.#resumed?.promise;
  }

  pause(): void {
    this.#resumed ??= Promise.withResolvers();
  }

  resume(): void {
    this.#resumed?.resolve();
    this.#resumed = undefined;
  }

  cancel(): void {
    this.isCancelled = true;
    this.#onCancel?.();
    this.resume();
  }
}
