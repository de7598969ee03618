import type { PlacedImage } from '../decoders/step.ts';

/** One sequence for the scheduler, which does not interpret its tokens. */
export interface Task {
  readonly prompt: readonly number[];
  /** The images of the prompt, in its order. The tokens of each are computed in one step. */
  readonly images?: readonly PlacedImage[];
  readonly maxTokens: number;
  /** Only tasks of the same scope may share cached pages of a prompt. */
  readonly scope: string;
  /**
   * True if its pages may be stored and used after a restart of the process. The scope must then be
   * secret, and the same for later requests of the same customer.
   */
  readonly isStorable?: boolean;
  /** True if it goes before all waiting tasks without this. */
  readonly isUrgent?: boolean;
  /** True if `choose` needs the logits of the whole vocabulary, not only the most likely token. */
  readonly wantsLogits: boolean;
  /**
   * Chooses the next token. `row` contains the logits if `wantsLogits` is true. Undefined or an
   * error ends the sequence.
   */
  choose(
    best: number,
    row: Float32Array | undefined,
  ): number | undefined | Promise<number | undefined>;
  /**
   * Called once when the sequence ends. `cause` is the error of the decoder or of `choose`, if one
   * failed.
   */
  end(why: TaskEnd, cause?: unknown): void;
}

export type TaskEnd = 'done' | 'length' | 'cancelled' | 'failed';

export interface Running {
  /** Number of tokens of the prompt that were found in the cache. */
  readonly cachedTokens: number;
  pause(): void;
  resume(): void;
  cancel(): void;
}
