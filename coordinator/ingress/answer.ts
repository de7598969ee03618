import type { TrustLevel } from '#bus-schemas';
import type { AttemptEnd } from './core/job-state.ts';
import type { Piece } from './core/piece.ts';
import type { ApiError } from './errors.ts';

/** Who serves an answer, and what happened before its first content. */
export interface Evidence {
  readonly provider: string;
  readonly build: string;
  readonly chip: string | undefined;
  readonly simulated: boolean | undefined;
  readonly level: TrustLevel;
  readonly attempt: number;
  /**
   * Key of the hashes in the receipt, for the client to verify it offline. It is never stored and
   * never sent on the bus: with it, a stored receipt would confirm a guessed answer.
   */
  readonly receiptSalt: Uint8Array | undefined;
  readonly parseUs: number;
  readonly routeUs: number;
  readonly holdUs: number;
  readonly firstContentUs: number;
}

/**
 * What a job says to its client. The job does not know how its client asked. Exactly one of finish,
 * reject and cut ends it.
 */
export interface Answer {
  /**
   * Said before the first write, and before a finish without one; again when another provider takes
   * over.
   */
  serving(evidence: Evidence): void;
  /**
   * `wait` when the client takes no more for now; the job hears of it when that changes. `full`
   * when the answer cannot be collected any further.
   */
  write(pieces: readonly Piece[]): 'more' | 'wait' | 'full';
  /** Forget what was written: none of it has left. */
  discard(): void;
  finish(end: AttemptEnd): void;
  /** Nothing has been written yet: a true status code. */
  reject(error: ApiError): void;
  /** Something has been written: an error inside the stream. */
  cut(error: ApiError): void;
}
