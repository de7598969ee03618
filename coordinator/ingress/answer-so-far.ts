import { type Continuation, MAX_CONTINUED_TOKENS } from '#bus-schemas';
import type { Piece } from '#http-api/core/piece.ts';
import type { MemoryBudget } from '#http-api/memory-budget.ts';
import { ToolCallOrder } from './core/tool-call-order.ts';

/** Memory of one id in an array of V8, and of one UTF-16 code unit, in bytes. */
const ID_BYTES = 8;
const CHARACTER_BYTES = 2;

/**
 * The part of an answer that its client has received, kept so that another machine can continue it
 * (core/continuation.ts). It is dropped if the machine does not state the ids of its tokens, if the
 * answer becomes too long, and if the memory for all answers is used up.
 */
export class AnswerSoFar implements Disposable {
  /** Also for the calls of a machine that continues the answer. */
  readonly toolCalls = new ToolCallOrder();
  readonly #memory: MemoryBudget;
  #kept: { ids: number[]; text: string; calls: number } | undefined = {
    ids: [],
    text: '',
    calls: 0,
  };
  #takenBytes = 0;
  #receiptSalt: Uint8Array | undefined;

  constructor(memory: MemoryBudget) {
    this.#memory = memory;
  }

  /** The salt that the client knows: that of the first machine. */
  begin(receiptSalt: Uint8Array | undefined): void {
    this.#receiptSalt ??= receiptSalt;
  }

  add(pieces: readonly Piece[]): void {
    for (const piece of pieces) if (this.#kept !== undefined) this.#keep(this.#kept, piece);
  }

  #keep(kept: { ids: number[]; text: string; calls: number }, piece: Piece): void {
    if (piece.k === 'sealed' || (piece.ids === undefined && kept.ids.length === 0))
      return this[Symbol.dispose]();
    const { ids = [], text } = piece;
    const bytes = ids.length * ID_BYTES + text.length * CHARACTER_BYTES;
    if (kept.ids.length + ids.length > MAX_CONTINUED_TOKENS || !this.#memory.take(bytes))
      return this[Symbol.dispose]();
    this.#takenBytes += bytes;
    for (const id of ids) kept.ids.push(id);
    kept.text += text;
    if (piece.k === 'tool' && piece.name !== undefined) kept.calls += 1;
  }

  /** Number of tokens of which the id is known; 0 if the answer is not kept. */
  get tokens(): number {
    return this.#kept?.ids.length ?? 0;
  }

  get isContinuable(): boolean {
    return this.tokens > 0;
  }

  /** Undefined before the first content, and if no other machine can continue the answer. */
  get continuation(): Continuation | undefined {
    const receiptSalt = this.#receiptSalt;
    if (this.#kept === undefined || receiptSalt === undefined) return undefined;
    const { ids: tokens, text, calls } = this.#kept;
    return tokens.length === 0 ? undefined : { tokens, text, calls, receiptSalt };
  }

  [Symbol.dispose](): void {
    this.#kept = undefined;
    this.#memory.give(this.#takenBytes);
    this.#takenBytes = 0;
  }
}
