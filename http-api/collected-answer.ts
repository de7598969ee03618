import type { Answer } from './answer.ts';
import { Collection } from './collection.ts';
import type { AttemptEnd } from './core/attempt-end.ts';
import type { Piece } from './core/piece.ts';
import type { AnswerContent } from './core/surfaces/surface.ts';
import type { ApiError } from './errors.ts';
import type { MemoryBudget } from './memory-budget.ts';

interface CollectedAnswerOptions {
  readonly memory: MemoryBudget;
  readonly onEnd: (result: AnswerContent | ApiError) => void;
}

/** Collects an answer that no connection waits for. */
export class CollectedAnswer implements Answer {
  readonly #collection: Collection;
  readonly #onEnd: CollectedAnswerOptions['onEnd'];

  constructor({ memory, onEnd }: CollectedAnswerOptions) {
    this.#collection = new Collection(memory);
    this.#onEnd = onEnd;
  }

  /** Headers name the machine in other answers; this one has none. */
  serving(): void {}

  write(pieces: readonly Piece[]): 'more' | 'full' {
    return this.#collection.add(pieces);
  }

  discard(): void {
    this.#collection.clear();
  }

  finish(end: AttemptEnd): void {
    this.#onEnd({ ...this.#collection.take(), end });
  }

  reject(error: ApiError): void {
    this.#collection.clear();
    this.#onEnd(error);
  }

  cut(error: ApiError): void {
    this.reject(error);
  }

  /** Returns the part of the answer that has arrived, and gives its memory back. */
  takePart(): Omit<AnswerContent, 'end'> {
    return this.#collection.take();
  }
}
