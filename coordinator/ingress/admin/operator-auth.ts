import type { FastifyRequest } from 'fastify';
import { services } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { hashOf } from '#coordinator/secrets.ts';
import { ApiError } from '#http-api/errors.ts';
import { answerOf } from '../call-until.ts';
import { checkConsolePage } from '../console/same-origin.ts';
import { operatorCookieOf } from '../console/session-cookie.ts';
import { bearerOf } from '../http/authenticate.ts';
import type { AddressLimiter } from '../limits/address-limiter.ts';
import type { OperatorSessions } from './operator-sessions.ts';

declare module 'fastify' {
  interface FastifyRequest {
    operator?: string;
  }
}

interface OperatorAuthDeps {
  readonly bus: Bus;
  /** Counts wrong credentials by address. */
  readonly wrong: AddressLimiter;
  readonly sessions: OperatorSessions;
}

/**
 * Admits operator keys, and sessions that began with one. Every request asks accounts for its key,
 * without a cache: there are few operators, and a revoked key must stop working at once.
 */
export class OperatorAuth {
  readonly #deps: OperatorAuthDeps;

  constructor(deps: OperatorAuthDeps) {
    this.#deps = deps;
  }

  /** The hook of every route for operators. */
  readonly check = async (request: FastifyRequest): Promise<void> => {
    request.operator = await this.nameOf(this.#keyHash(request), request.ip);
  };

  /** The name of the operator to whom this key belongs; throws if there is none. */
  nameOf(keyHash: Uint8Array, address: string): Promise<string> {
    const { bus, wrong } = this.#deps;
    return wrong.verify(address, async () => {
      const answer = await answerOf(
        bus,
        services.accounts.authenticateOperator,
        { keyHash },
        { eachMs: 2_000, totalMs: 4_000 },
      );
      if (!answer.ok) throw new ApiError('invalid_api_key', 'The operator key is unknown.');
      return answer.operator;
    });
  }

  #keyHash(request: FastifyRequest): Uint8Array {
    const key = bearerOf(request.headers.authorization);
    if (key !== undefined) return hashOf(key);
    const cookie = operatorCookieOf(request);
    if (cookie === undefined)
      throw new ApiError(
        'missing_key',
        'Send your operator key as "Authorization: Bearer op-db-…".',
      );
    checkConsolePage(request);
    const keyHash = this.#deps.sessions.keyHashOf(cookie);
    if (keyHash === undefined) throw new ApiError('signed_out');
    return keyHash;
  }
}
