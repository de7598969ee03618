/**
 * The receiving half of one attempt's stream. Frames are taken in order and once; a gap makes the
 * provider send again
 * from the first missing one (the sender keeps what is not acknowledged, so nothing is buffered
 * here).
 *
 * Invariants: `received` only rises; a frame is accepted iff it is exactly the next; the window
 * never passes what the
 * client has consumed by more than WINDOW_FRAMES, so a slow reader stops the engine and not this
 * process's memory.
 */
export const WINDOW_FRAMES = 64;
const REPORT_EVERY = WINDOW_FRAMES / 4;

export type FrameVerdict = 'accept' | 'duplicate' | 'gap' | 'out_of_window';

export class FrameReceiver {
  #received = 0;
  #consumed = 0;
  #reported = 0;

  /** Every frame below this has arrived. */
  get received(): number {
    return this.#received;
  }

  /** First frame that may not be sent yet. */
  get window(): number {
    return this.#consumed + WINDOW_FRAMES;
  }

  /** Frames that arrived and that the client has not taken yet. */
  get waiting(): number {
    return this.#received - this.#consumed;
  }

  offer(seq: number): FrameVerdict {
    if (seq >= this.window) return 'out_of_window';
    if (seq < this.#received) return 'duplicate';
    if (seq > this.#received) return 'gap';
    this.#received += 1;
    return 'accept';
  }

  /** The client has taken `frames` more. */
  consume(frames: number): void {
    this.#consumed = Math.min(this.#received, this.#consumed + frames);
  }

  /** Whether enough has moved since the last report that the provider should hear of it. */
  get reportDue(): boolean {
    return this.#consumed - this.#reported >= REPORT_EVERY;
  }

  reported(): void {
    this.#reported = this.#consumed;
  }
}
