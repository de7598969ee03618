import type { AnswerDrafts } from '../speculation/answer-drafts.ts';
import type { KeptStates } from '../speculation/draft-source.ts';
import type { SequencePages } from './page-pool.ts';
import type { PrefixLoad } from './prefix-load.ts';
import type { Running, Task } from './task.ts';

/** A task with what the scheduler keeps of it. */
export class ScheduledSequence implements Running {
  readonly task: Task;
  readonly tokens: number[];
  readonly #wake: () => void;
  /** Undefined while the sequence waits. */
  pages: SequencePages | undefined;
  /** The slot of the sequence's state while it runs, if the model has states. */
  state: number | undefined;
  /** The slot of a stored state that the next step continues, and that the sequence holds. */
  continued: number | undefined;
  /** Set while pages of the prompt are read from the store: the sequence takes part in no step. */
  load: PrefixLoad | undefined;
  /** Numbers of tokens after which the state is stored, in rising order. */
  marks: readonly number[] = [];
  /** Undefined until the answer begins, and if no tokens are drafted. */
  drafts: AnswerDrafts | undefined;
  /** Number of tokens whose keys and values are in the cache, and in the state. */
  worked = 0;
  cachedTokens = 0;
  /** The states that the decoder kept, if the sequence took part in its last step. */
  kept: KeptStates | undefined;
  isPaused = false;
  isCancelled = false;

  constructor(task: Task, wake: () => void) {
    this.task = task;
    this.tokens = [...task.prompt];
    this.#wake = wake;
  }

  get isAnswering(): boolean {
    return (
      this.tokens.length > this.task.prompt.length ||
      (this.worked > 0 && this.tokens.length - this.worked === 1)
    );
  }

  /** Number of tokens that the answer may still get. */
  get remaining(): number {
    return this.task.prompt.length + this.task.maxTokens - this.tokens.length;
  }

  /** True if a step may compute its next tokens. */
  get isActive(): boolean {
    return !this.isPaused && this.load === undefined;
  }

  get isFull(): boolean {
    return this.remaining <= 0;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    this.#wake();
  }

  cancel(): void {
    this.isCancelled = true;
    this.#wake();
  }
}
