import type { Outline, Receipt } from '#bus-schemas';
import type { AnswerBounds } from './core/answer-bounds.ts';
import type { Attempt, AttemptEnd } from './core/job-state.ts';
import type { Piece } from './core/piece.ts';

/** How the request of one attempt is sealed for its provider, and how what comes back is read. */
export interface AttemptSealing {
  readonly enc: Uint8Array;
  readonly parts: readonly Uint8Array[];
  /** Key of the hashes in the receipt; undefined where only the client can derive it. */
  readonly receiptSalt: Uint8Array | undefined;
  /** Whether the provider has to say beside its frames what we cannot read in them. */
  readonly outlined: boolean;
  /** The bounds of an honest answer. */
  readonly bounds: AnswerBounds;
  /**
   * Frames come in order, each once. Throws what a provider can be blamed for: SealError,
   * CodecError, ProtocolViolation.
   */
  read(frame: Frame): Reading;
  /**
   * Opens the reason of a refusal; undefined where only the client can. Throws SealError and
   * CodecError.
   */
  readDetail(sealed: Uint8Array): string | undefined;
}

/** Undefined where it cannot be sealed for this provider. */
export type SealAttempt = (attempt: Attempt) => Promise<AttemptSealing | undefined>;

export interface Frame {
  readonly seq: number;
  readonly sealed: Uint8Array;
  readonly outline?: Outline;
  readonly receipt?: Receipt;
}

export interface Reading {
  readonly pieces: readonly Piece[];
  readonly tokens: number;
  /**
   * UTF-8 bytes that hold the tokens: what the model wrote, or, where only the client can open it,
   * the sealed frame.
   */
  readonly bytes: number;
  /** Of the opened frame, or of the sealed one where we cannot open it, in bytes. */
  readonly size: number;
  readonly end: AttemptEnd | undefined;
}

/** A frame that opens and says what it may not. */
export class ProtocolViolation extends Error {
  readonly code = 'protocol_violation';
}
