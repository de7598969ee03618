import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  randomBytes,
} from 'node:crypto';
import type { Logger } from 'pino';
import { services } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { answerOf, callUntil } from './call-until.ts';
import { ApiError } from './errors.ts';

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEPT_MS = 3_600_000;
/**
 * A claim that nobody renews was lost with its ingress: after this the request may be sent again.
 */
const LEASE_MS = 30_000;
const RENEW_MS = 10_000;
/** What one message of the bus may carry. */
const MAX_SEALED_BYTES = 480 * 1_024;
const CALL = { eachMs: 3_000, totalMs: 6_000 };

export interface IdempotentRequest {
  readonly account: string;
  /** The caller's API key. */
  readonly secret: string;
  readonly idempotencyKey: string;
  readonly path: string;
  readonly body: Buffer;
  readonly job: string;
}

export interface Claim {
  /**
   * Stores the answer, or releases the claim if there is none. Wait for it before the client gets
   * its last byte: a client that
   * repeats its request at once would otherwise hear that the request is still running. Never
   * rejects.
   */
  end(answer: string | undefined): Promise<void>;
}

interface Deps {
  readonly bus: Bus;
  readonly log: Logger;
  readonly now: () => number;
}

/**
 * A request that is sent again under the same Idempotency-Key gets the first one's answer, from any
 * ingress.
 *
 * Invariant: an answer is stored only sealed under a key that is made from the caller's own API
 * key, which is stored nowhere:
 * nobody who reads the database can read an answer. The digest of a request is keyed with the same
 * secret: with a plain hash, a
 * reader of the bus or the database could confirm a guessed prompt, and see that two customers sent
 * the same one.
 */
export class IdempotentAnswers {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** A claim to work on, or the answer that was given before. */
  async begin(
    request: IdempotentRequest,
  ): Promise<{ claim: Claim } | { job: string; answer: string }> {
    const { account, job } = request;
    const idempotencyKey = nameOf(request);
    const digest = digestOf(request);
    const claim = () =>
      answerOf(
        this.#deps.bus,
        services.accounts.claim,
        { account, idempotencyKey, digest, job, expiresAt: this.#deps.now() + LEASE_MS },
        CALL,
      );
    const answer = await claim();
    if (answer.ok) return { claim: this.#held(request, claim) };
    switch (answer.code) {
      case 'running':
        throw new ApiError('request_running', undefined, { retryAfterMs: 1_000 });
      case 'conflict':
        throw new ApiError('idempotency_key_reused');
      case 'answered':
        return { job: answer.job, answer: open(request, Buffer.from(answer.sealed)) };
    }
  }

  /** Renewed as long as the job runs, and ended once. */
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
    const sealed = text === undefined ? undefined : seal(request, text);
    const kept = sealed !== undefined && sealed.length <= MAX_SEALED_BYTES;
    const ended = {
      account,
      job,
      idempotencyKey: nameOf(request),
      ...(kept && { sealed, expiresAt: now() + KEPT_MS }),
    };
    try {
      await callUntil(bus, services.accounts.endClaim, ended, CALL);
    } catch (error) {
      log.warn({ job, err: error }, 'the answer of an idempotent request could not be kept');
    }
  }
}

function keyFor(
  purpose: 'dinf idempotent answer' | 'dinf idempotent request',
  { account, secret, idempotencyKey, path }: IdempotentRequest,
): Buffer {
  return Buffer.from(
    hkdfSync('sha256', secret, account, `${purpose} ${path} ${idempotencyKey}`, 32),
  );
}

function seal(request: IdempotentRequest, text: string): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, keyFor('dinf idempotent answer', request), nonce);
  return Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
}

function open(request: IdempotentRequest, sealed: Buffer): string {
  const decipher = createDecipheriv(
    CIPHER,
    keyFor('dinf idempotent answer', request),
    sealed.subarray(0, NONCE_BYTES),
  );
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([
      decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)),
      decipher.final(),
    ]).toString('utf8');
  } catch (cause) {
    // Another key of the same account, or the same one before it was rotated, asked first.
    throw new ApiError(
      'idempotency_key_reused',
      'This Idempotency-Key was used with another API key. Take a new one.',
      { cause },
    );
  }
}

/**
 * Of the caller's own choice, and looked up for the whole account, so it cannot be keyed with the
 * secret of one API key.
 */
function nameOf({ idempotencyKey }: IdempotentRequest): Buffer {
  return createHash('sha256').update(idempotencyKey).digest();
}

function digestOf(request: IdempotentRequest): Buffer {
  return createHmac('sha256', keyFor('dinf idempotent request', request))
    .update(request.body)
    .digest();
}
