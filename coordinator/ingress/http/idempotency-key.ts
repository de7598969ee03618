import { createHmac } from 'node:crypto';
import { ApiError } from '#http-api/errors.ts';
import type { JobSpec } from '../job-spec.ts';
import { secretOf } from './authenticate.ts';
import type { InferenceExchange } from './inference-exchange.ts';

const MAX_IDEMPOTENCY_KEY = 255;

/**
 * Claims the idempotency key of a request. Streams have no claim and are not stored: their client
 * has already seen a part of the answer.
 */
export function claimOf(spec: JobSpec, { surface, request, deps, large }: InferenceExchange) {
  const idempotencyKey = request.headers['idempotency-key'];
  if (idempotencyKey === undefined || spec.streamed) return undefined;
  if (
    typeof idempotencyKey !== 'string' ||
    idempotencyKey === '' ||
    idempotencyKey.length > MAX_IDEMPOTENCY_KEY
  ) {
    throw new ApiError(
      'invalid_request',
      `Idempotency-Key must have 1 to ${MAX_IDEMPOTENCY_KEY} characters.`,
      { param: 'Idempotency-Key' },
    );
  }
  return deps.idempotent.begin({
    account: spec.account,
    secret: secretOf(request),
    idempotencyKey,
    path: surface.path,
    digestOfBody: (key) =>
      large?.digest(key) ??
      createHmac('sha256', key)
        .update(request.body as Buffer)
        .digest(),
    job: spec.id,
  });
}
