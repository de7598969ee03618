import { createHash } from 'node:crypto';
import type { Logger } from 'pino';
import { MAX_SEALED_BYTES, services } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { ApiError } from '#http-api/errors.ts';
import { RETRY_AFTER_MS } from '#http-api/retry-after.ts';
import { answerOf, callUntil } from './call-until.ts';
import { type ContentOwner, callerKey, openForCaller, sealForCaller } from './caller-cipher.ts';

const ANSWER_LIFETIME_MS = 3_600_000;
/**
 * Lifetime of a claim without renewal, in milliseconds. A claim that expires was lost with its
 * ingress, and its request may be sent again.
 */
const CLAIM_MS = 30_000;
const RENEW_MS = 10_000;
const CALL = { eachMs: 3_000, totalMs: 6_000 };

export interface IdempotentRequest {
  readonly account: string;
  /** The caller's API key. */
  readonly secret: string;
  readonly idempotencyKey: string;
  readonly path: string;
  /** The HMAC-SHA256 of the body. */
  readonly digestOfBody: (key: Buffer) => Promise<Buffer> | Buffer;
  readonly job: string;
}

export interface Claim {
  /**
   * Stores the answer, or releases the claim if there is none. Await it before the client gets its
   * last byte: otherwise a client that repeats its request at once could get the error that the
   * request is still running. Never rejects.
   */
  end(answer: string | undefined): Promise<void>;
}

interface Deps {
  readonly bus: Bus;
  readonly log: Logger;
  readonly now: () => number;
}

/**
 * Returns the stored answer of a request that is sent again with the same Idempotency-Key, through
 * any ingress.
 *
 * Invariant: every stored answer is sealed with a key that is derived from the caller's API key,
 * which is not stored. So a person who reads the database cannot read an answer. The digest of a
 * request is keyed with the same secret: with a plain hash, a reader of the bus or the database
 * could confirm a guessed prompt, and see that two customers sent the same one.
 */
export class IdempotentAnswers {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Returns a claim on the request, or the answer that an earlier request stored. */
  async begin(
    request: IdempotentRequest,
  ): Promise<{ claim: Claim } | { job: string; answer: string }> {
    const { account, job } = request;
    const idempotencyKey = nameOf(request);
    const digest = await request.digestOfBody(
      callerKey(ownerOf('dinf idempotent request', request)),
    );
    const claim = () =>
      answerOf(
        this.#deps.bus,
        services.accounts.claim,
        { account, idempotencyKey, digest, job, expiresAt: this.#deps.now() + CLAIM_MS },
        CALL,
      );
    const answer = await claim();
    if (answer.ok) return { claim: this.#held(request, claim) };
    switch (answer.code) {
      case 'running':
        throw new ApiError('request_running', undefined, {
          retryAfterMs: RETRY_AFTER_MS.request_running,
        });
      case 'conflict':
        throw new ApiError('idempotency_key_reused');
      case 'answered':
        return { job: answer.job, answer: open(request, Buffer.from(answer.sealed)) };
    }
  }

  /** A claim that is renewed until it is ended. */
  #held(request: IdempotentRequest, renew: () => Promise<unknown>): Claim {
    const renewal = setInterval(() => {
      renew().catch((error: unknown) =>
        this.#deps.log.warn(
          { job: request.job, err: error },
          'the claim of an idempotent request could not be renewed',
        ),
      );
    }, RENEW_MS).unref();
    return {
      end: (text) => {
        clearInterval(renewal);
        return this.#end(request, text);
      },
    };
  }

  async #end(request: IdempotentRequest, text: string | undefined): Promise<void> {
    const { bus, log, now } = this.#deps;
    const { account, job } = request;
    const sealed =
      text === undefined
        ? undefined
        : sealForCaller(ownerOf('dinf idempotent answer', request), text);
    const isStored = sealed !== undefined && sealed.length <= MAX_SEALED_BYTES;
    const ended = {
      account,
      job,
      idempotencyKey: nameOf(request),
      ...(isStored && { sealed, expiresAt: now() + ANSWER_LIFETIME_MS }),
    };
    try {
      await callUntil(bus, services.accounts.endClaim, ended, CALL);
    } catch (error) {
      log.warn({ job, err: error }, 'the answer of an idempotent request could not be stored');
    }
  }
}

function ownerOf(
  kind: 'dinf idempotent answer' | 'dinf idempotent request',
  { account, secret, idempotencyKey, path }: IdempotentRequest,
): ContentOwner {
  return { account, secret, purpose: `${kind} ${path} ${idempotencyKey}` };
}

function open(request: IdempotentRequest, sealed: Buffer): string {
  try {
    return openForCaller(ownerOf('dinf idempotent answer', request), sealed).toString();
  } catch (cause) {
    // The answer belongs to another API key of the same account, or to the same key before it was
    // rotated.
    throw new ApiError(
      'idempotency_key_reused',
      'This Idempotency-Key was used with another API key. Use a new one.',
      { cause },
    );
  }
}

/**
 * The name of the request in the database. The caller chose the idempotency key, and it is looked
 * up for the whole account, so the hash cannot be keyed with the secret of one API key.
 */
function nameOf({ idempotencyKey }: IdempotentRequest): Buffer {
  return createHash('sha256').update(idempotencyKey).digest();
}
