import type { ServerResponse } from 'node:http';
import { type Evidence, hex, isSame, printEvidence, type TrustLevel } from '#bus-schemas';
import type { Answer, ServingDetails } from '#http-api/answer.ts';
import type { Piece } from '#http-api/core/piece.ts';
import { ApiError } from '#http-api/errors.ts';
import { evidenceHeaders } from '#http-api/evidence-headers.ts';
import { EVENT_STREAM, endWithin, sendError, sendJson } from '#http-api/respond.ts';
import type { AttemptSealing } from '../attempt-sealing.ts';
import { SEAL_MS } from '../core/job-attempts.ts';
import type { Attempt } from '../core/job-state.ts';
import type { ClientSealing } from './client-sealing.ts';
import type { SessionTurn } from './open-sessions.ts';

/** The machine for which the client must seal its request, with the machine's evidence. */
export interface Offer {
  readonly attempt: Attempt;
  readonly evidence: Evidence;
  readonly level: TrustLevel;
}

export interface Guess {
  readonly provider: string;
  readonly sealingKey: Uint8Array;
  readonly sealing: ClientSealing;
  readonly response: ServerResponse;
}

export interface SealedExchangeOptions {
  /** Returns the evidence of a machine; undefined if it has none that is valid. */
  readonly evidenceFor: (
    attempt: Attempt,
  ) => Promise<{ evidence: Evidence; level: TrustLevel } | undefined>;
  /** Called after the last answer to the client. */
  readonly onOver: () => void;
  /** Called if the provider could not open the sealed request. */
  readonly onBadlySealed: () => void;
  /** The turn in which this session waits for its client, if it already has one. */
  readonly turn?: SessionTurn;
  /**
   * Takes a turn after the client's guess has failed; undefined if too many sessions of its key are
   * waiting.
   */
  readonly tryTurn: () => SessionTurn | undefined;
  /**
   * Present if the order arrived together with the wish, sealed for a machine that served the
   * client before.
   */
  readonly guess?: Guess;
}

/**
 * Time for which an error is kept for the client's next request, in milliseconds, if no request is
 * open.
 */
const ERROR_LIFETIME_MS = 30_000;

/**
 * One sealed job as its client sees it, over two or more requests. The ingress answers the session
 * with an offer. The client seals for the offered machine and orders. If that provider cannot
 * serve, the order is answered with another offer, and the client orders again. The first frame
 * begins the answer.
 *
 *   offered → ordered → (offered → ordered …) → streaming → over
 *   guessed → streaming if the machine that the client sealed for can serve; otherwise as above
 *
 * Invariant: each request of the client gets exactly one answer: an offer, an error, or a stream.
 */
export class SealedExchange implements Answer {
  readonly #options: SealedExchangeOptions;
  readonly #firstOffer = Promise.withResolvers<Offer>();
  #pending:
    | { readonly offer: Offer; readonly seal: (sealing: AttemptSealing | undefined) => void }
    | undefined;
  #response: ServerResponse | undefined;
  #error: ApiError | undefined;
  #guess: Guess | undefined;
  #turn: SessionTurn | undefined;
  #headers: Record<string, string> = {};

  constructor(options: SealedExchangeOptions) {
    this.#options = options;
    this.#guess = options.guess;
    this.#turn = options.turn;
    this.#response = options.guess?.response;
    // If the client has left, no code awaits this promise, and its rejection must not end the
    // process.
    this.#firstOffer.promise.catch(() => undefined);
  }

  /** Rejects with the job's ApiError if it found no provider or no money. */
  get firstOffer(): Promise<Offer> {
    return this.#firstOffer.promise;
  }

  /** Whether an order of the client is being answered. */
  get isAnswering(): boolean {
    return this.#response !== undefined;
  }

  /** The job calls this for each provider that it tries. */
  async seal(attempt: Attempt): Promise<AttemptSealing | undefined> {
    const guess = this.#guess;
    this.#guess = undefined;
    if (guess !== undefined && isFor(guess, attempt)) return guess.sealing;
    const shown = await this.#options.evidenceFor(attempt);
    if (shown === undefined) return undefined;
    const { promise, resolve } = Promise.withResolvers<AttemptSealing | undefined>();
    const offer = { attempt, ...shown };
    this.#pending = { offer, seal: resolve };
    if (guess !== undefined) {
      // Prevents a client from occupying slots with guesses that it knows to be wrong.
      this.#turn = this.#options.tryTurn();
      if (this.#turn === undefined) {
        sendError(
          guess.response,
          new ApiError(
            'rate_limit_exceeded',
            'Too many sealed sessions of this key are waiting for their orders.',
          ),
        );
        return promise;
      }
    }
    this.#firstOffer.resolve(offer);
    if (this.#response !== undefined) this.#offerAgain(this.#response, offer);
    return promise;
  }

  /** Handles an order: the client has sealed its request for an attempt. */
  order(attempt: number, sealing: ClientSealing, response: ServerResponse): void {
    if (this.#error !== undefined) {
      sendError(response, this.#error);
      return this.#options.onOver();
    }
    if (this.#response !== undefined)
      return sendError(
        response,
        new ApiError(
          'request_running',
          'Another request is already receiving the answer of this job.',
        ),
      );
    const pending = this.#pending;
    if (pending === undefined)
      return sendError(response, new ApiError('conflict', 'This job has no offer to seal for.'));
    // The client sealed for a provider that has been given up since.
    if (pending.offer.attempt.number !== attempt) return this.#offerAgain(response, pending.offer);
    this.#pending = undefined;
    this.#response = response;
    this.#turn?.ordered();
    pending.seal(sealing);
  }

  serving(details: ServingDetails): void {
    this.#headers = evidenceHeaders(details);
  }

  write(pieces: readonly Piece[]): 'more' | 'wait' {
    const response = this.#response;
    if (response === undefined) return 'more';
    if (!response.headersSent) {
      response.writeHead(200, { ...EVENT_STREAM, ...this.#headers });
    }
    let text = '';
    for (const piece of pieces) if (piece.k === 'sealed') text += sseOf(piece);
    return response.write(text) ? 'more' : 'wait';
  }

  /**
   * Does nothing: no provider can be replaced after the first frame of a stream, so no written
   * frame is ever discarded.
   */
  discard(): void {}

  finish(): void {
    if (this.#response !== undefined) endWithin(this.#response, '');
    this.#options.onOver();
  }

  reject(error: ApiError): void {
    this.#error = error;
    if (error.code === 'badly_sealed') this.#options.onBadlySealed();
    // The client let the offer expire.
    if (error.code === 'gone') this.#turn?.wasted();
    else this.#turn?.ended();
    this.#pending?.seal(undefined);
    this.#firstOffer.reject(error);
    if (this.#response === undefined) {
      setTimeout(this.#options.onOver, ERROR_LIFETIME_MS).unref();
      return;
    }
    sendError(this.#response, error);
    this.#options.onOver();
  }

  cut(error: ApiError): void {
    if (this.#response !== undefined)
      endWithin(this.#response, `event: error\ndata: ${JSON.stringify(error.toBody())}\n\n`);
    this.#options.onOver();
  }

  /** The client has left, so it will not seal. */
  abandoned(): void {
    if (this.#pending === undefined) this.#turn?.ended();
    else this.#turn?.wasted();
    this.#pending?.seal(undefined);
    this.#options.onOver();
  }

  /**
   * Ends a session whose client rejects the offer while no order is being answered. The turn ends
   * only when the offer would have expired: otherwise a client that opens and cancels sessions in a
   * loop could send any number of reservations to the router.
   */
  cancel(): void {
    const turn = this.#turn;
    this.#turn = undefined;
    setTimeout(() => turn?.wasted(), SEAL_MS).unref();
    this.abandoned();
  }

  #offerAgain(response: ServerResponse, offer: Offer): void {
    if (response === this.#response) this.#response = undefined;
    sendJson(
      response,
      409,
      JSON.stringify({ ...new ApiError('seal_again').toBody(), offer: printOffer(offer) }),
    );
  }
}

function isFor({ provider, sealingKey }: Guess, { candidate }: Attempt): boolean {
  return candidate.provider === provider && isSame(candidate.sealingKey, sealingKey);
}

export function printOffer({ attempt: { number, candidate }, evidence, level }: Offer) {
  const { provider, build, suite, sealingKey } = candidate;
  return {
    attempt: number,
    provider,
    build,
    suite,
    level,
    sealing_key: hex(sealingKey),
    evidence: printEvidence(evidence),
  };
}

/**
 * A frame as a server-sent event, with its outline. The client compares the outline with the sealed
 * content.
 */
function sseOf({ seq, tokens, sealed, end }: Extract<Piece, { k: 'sealed' }>): string {
  const base64 = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength).toString(
    'base64',
  );
  const ending = end === undefined ? '' : `,"end":${JSON.stringify(end)}`;
  return `data: {"seq":${seq},"tokens":${tokens}${ending},"sealed":"${base64}"}\n\n`;
}
