import type { Delta, Outline } from '#bus-schemas';

/** A frame as it arrived; only the client can open it. */
interface SealedPiece {
  readonly k: 'sealed';
  readonly seq: number;
  readonly sealed: Uint8Array;
  /** The number of tokens that the provider reports for this frame. */
  readonly tokens: number;
  readonly end?: Outline['end'];
}

/**
 * A part of an answer: a delta where the ingress can read the answer, a sealed frame in blind mode.
 */
export type Piece = Delta | SealedPiece;
