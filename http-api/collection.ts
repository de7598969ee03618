import type { Delta } from '#bus-schemas';
import type { Piece } from './core/piece.ts';
import { type AnswerContent, Gathering } from './core/surfaces/surface.ts';
import type { MemoryBudget } from './memory-budget.ts';

/** Collects the pieces of an answer, within the memory that all collected answers share. */
export class Collection {
  readonly #memory: MemoryBudget;
  #gathered = new Gathering();
  /** Bytes that this answer has taken from the memory budget. */
  #bytes = 0;

  constructor(memory: MemoryBudget) {
    this.#memory = memory;
  }

  add(pieces: readonly Piece[]): 'more' | 'full' {
    for (const piece of pieces) {
      const delta = readablePiece(piece);
      const bytes = heapBytes(delta);
      if (!this.#memory.take(bytes)) return 'full';
      this.#bytes += bytes;
      this.#gathered.add(delta);
    }
    return 'more';
  }

  /** Everything that was collected so far. */
  whole(): Omit<AnswerContent, 'end'> {
    return this.#gathered.whole();
  }

  /** Returns everything that was collected, and gives its memory back. */
  take(): Omit<AnswerContent, 'end'> {
    const whole = this.whole();
    this.clear();
    return whole;
  }

  clear(): void {
    this.#gathered = new Gathering();
    this.#memory.give(this.#bytes);
    this.#bytes = 0;
  }
}

/**
 * The delta of a piece. Sealed pieces never come here: only their client can read them, and such
 * answers are not converted.
 */
export function readablePiece(piece: Piece): Delta {
  if (piece.k === 'sealed') throw new TypeError('a sealed part of an answer has no readable text');
  return piece;
}

const OBJECT_BYTES = 160;

/**
 * Estimated heap size of a piece, in bytes: two for each character, and an object for each part.
 */
function heapBytes(delta: Delta): number {
  const entries =
    delta.k === 'text'
      ? (delta.logprobs ?? []).reduce((sum, { top }) => sum + 1 + top.length, 0)
      : 0;
  return OBJECT_BYTES + 2 * delta.text.length + entries * OBJECT_BYTES;
}
