/**
 * The receiving half of one attempt's stream. Frames are accepted in order and once. After a gap
 * the provider sends again from the first missing frame: it keeps every frame that is not
 * acknowledged, so nothing is buffered here.
 *
 * Invariants: `received` only rises; a frame is accepted if and only if it is the next one; the
 * window is never more than WINDOW_FRAMES above what the client has consumed, so a slow client
 * stops the engine instead of filling the memory of this process.
 */
export const WINDOW_FRAMES = 64;
const REPORT_EVERY = WINDOW_FRAMES / 4;

export type FrameResult = 'accept' | 'duplicate' | 'gap' | 'out_of_window';

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

  /** Frames that have arrived and that the client has not consumed yet. */
  get waiting(): number {
    return this.#received - this.#consumed;
  }

  receive(seq: number): FrameResult {
    if (seq >= this.window) return 'out_of_window';
    if (seq < this.#received) return 'duplicate';
    if (seq > this.#received) return 'gap';
    this.#received += 1;
    return 'accept';
  }

  /** Records that the client has consumed `frames` more frames. */
  consume(frames: number): void {
    this.#consumed = Math.min(this.#received, this.#consumed + frames);
  }

  /** Whether the client has consumed so many frames since the last report that a new one is due. */
  get reportDue(): boolean {
    return this.#consumed - this.#reported >= REPORT_EVERY;
  }

  reported(): void {
    this.#reported = this.#consumed;
  }
}
