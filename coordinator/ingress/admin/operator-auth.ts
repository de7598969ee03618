import type { FastifyRequest } from 'fastify';
import { services } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { hashOf } from '#coordinator/secrets.ts';
import { ApiError } from '#http-api/errors.ts';
import { answerOf } from '../call-until.ts';
import { bearerOf } from '../http/authenticate.ts';
import type { AddressLimiter } from '../limits/address-limiter.ts';

declare module 'fastify' {
  interface FastifyRequest {
    operator?: string;
  }
}

/**
 * Admits operator keys. Every request asks accounts for its key, without a cache: there are few
 * operators, and a revoked key must stop working at once.
 */
export function operatorAuth(
  bus: Bus,
  wrong: AddressLimiter,
): (request: FastifyRequest) => Promise<void> {
  return async (request) => {
    const key = bearerOf(request.headers.authorization);
    if (key === undefined)
      throw new ApiError(
        'missing_key',
        'Send your operator key as "Authorization: Bearer op-db-…".',
      );
    request.operator = await wrong.verify(request.ip, async () => {
      const answer = await answerOf(
        bus,
        services.accounts.authenticateOperator,
        { keyHash: hashOf(key) },
        { eachMs: 2_000, totalMs: 4_000 },
      );
      if (!answer.ok) throw new ApiError('invalid_api_key', 'The operator key is unknown.');
      return answer.operator;
    });
  };
}
