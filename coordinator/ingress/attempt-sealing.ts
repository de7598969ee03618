import type { Outline, Receipt } from '#bus-schemas';
import { CodedError } from '#bus-schemas/coded-error.ts';
import type { AttemptEnd } from '#http-api/core/attempt-end.ts';
import type { Piece } from '#http-api/core/piece.ts';
import type { AnswerSoFar } from './answer-so-far.ts';
import type { AnswerBounds } from './core/answer-bounds.ts';
import type { Attempt } from './core/job-state.ts';

/** The sealed request of one attempt, and the means to read the provider's messages about it. */
export interface AttemptSealing {
  readonly enc: Uint8Array;
  readonly parts: readonly Uint8Array[];
  /** Key of the hashes in the receipt; undefined where only the client can derive it. */
  readonly receiptSalt: Uint8Array | undefined;
  /**
   * Whether the provider must send an outline with each frame, because the ingress cannot read the
   * frame.
   */
  readonly outlined: boolean;
  /** Largest size of an honest answer. */
  readonly bounds: AnswerBounds;
  /**
   * Reads a frame. The caller passes the frames in order, each once. Throws SealError, CodecError
   * or ProtocolViolation if the provider is at fault.
   */
  read(frame: Frame): Reading;
  /**
   * Opens the reason of a refusal; undefined if only the client can. Throws SealError and
   * CodecError.
   */
  readDetail(sealed: Uint8Array): string | undefined;
}

/**
 * Seals the request for the provider of an attempt; undefined if that is impossible. If the client
 * has received a part of the answer, the provider is asked to continue it.
 */
export type SealAttempt = (
  attempt: Attempt,
  soFar: AnswerSoFar,
) => Promise<AttemptSealing | undefined>;

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
   * Size of the text that contains the tokens, in bytes of UTF-8. In blind mode it is the size of
   * the sealed frame.
   */
  readonly bytes: number;
  /** Size of the opened frame, or of the sealed one in blind mode, in bytes. */
  readonly size: number;
  readonly end: AttemptEnd | undefined;
}

/** A frame that can be opened, but whose content violates the protocol. */
export class ProtocolViolation extends CodedError<'protocol_violation'> {
  constructor(message: string, options?: ErrorOptions) {
    super('protocol_violation', message, options);
  }
}
