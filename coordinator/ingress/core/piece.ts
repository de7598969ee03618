import type { Delta, Outline } from '#bus-schemas';

/** A frame as it came, which only the client can open. */
interface SealedPiece {
  readonly k: 'sealed';
  readonly seq: number;
  readonly sealed: Uint8Array;
  /** What the provider says is in it. */
  readonly tokens: number;
  readonly end?: Outline['end'];
}

/** What an answer is made of: words where we could read them, frames where we could not. */
export type Piece = Delta | SealedPiece;
