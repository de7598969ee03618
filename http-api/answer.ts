import type { TrustLevel } from '#bus-schemas';
import type { AttemptEnd } from './core/attempt-end.ts';
import type { Piece } from './core/piece.ts';
import type { ApiError } from './errors.ts';

/** The machine that serves an answer, and the times before its first content in microseconds. */
export interface ServingDetails {
  readonly provider: string;
  readonly build: string;
  readonly chip: string | undefined;
  readonly simulated: boolean | undefined;
  /** `external` if a program that is in no release runs the machine's models. */
  readonly engine: 'external' | undefined;
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
  /** Why routing chose the machine; undefined unless the caller asked for it. */
  readonly choice: RoutingChoice | undefined;
}

export interface RoutingChoice {
  /**
   * SHA-256 of the weight files of the build, which the machine has attested; undefined if the
   * catalog has no digest.
   */
  readonly weights: string | undefined;
  /** Time that the job has waited in the queue of routing, in milliseconds. */
  readonly queuedMs: number;
  readonly expectedFirstContentMs: number;
  /** Parts of the cost by which machines were compared, in milliseconds. */
  readonly terms: Readonly<Record<string, number>> | undefined;
  /** The most that the request can cost on this machine, in micro-dollars. */
  readonly costMicroUsd: number | undefined;
}

/**
 * The side of a job that writes to its client. The job does not depend on how its client asked.
 * Exactly one of `finish`, `reject` and `cut` ends an answer.
 */
export interface Answer {
  /**
   * Called before the first `write`, and before a `finish` without one; called again when another
   * provider takes over.
   */
  serving(evidence: ServingDetails): void;
  /**
   * Returns `wait` if the client's socket is full; the job receives an event when it has drained.
   * Returns `full` if the answer cannot be collected any further.
   */
  write(pieces: readonly Piece[]): 'more' | 'wait' | 'full';
  /** Discards all content; the client has not received any of it. */
  discard(): void;
  finish(end: AttemptEnd): void;
  /** Sends an error with its own status code, because nothing has been written yet. */
  reject(error: ApiError): void;
  /** Sends an error inside the stream, because the status has already been sent. */
  cut(error: ApiError): void;
  /**
   * Resolves after `finish`, once the answer is stored: it is not charged if this is false. Absent
   * for answers that a client waits for.
   */
  kept?(): Promise<boolean>;
}
