import Stripe from 'stripe';
import type { StripeConfig } from '#coordinator/config.ts';

const TIMEOUT_MS = 10_000;

/**
 * Creates a client without automatic retries, because the callers decide with the ledger whether to
 * send a request again. The library itself repeats a request only after a broken connection, with
 * the same idempotency key.
 */
export function connectStripe(
  { apiKey, url }: StripeConfig,
  timeoutMs: number = TIMEOUT_MS,
): Stripe {
  const place = url === undefined ? undefined : new URL(url);
  return new Stripe(apiKey, {
    maxNetworkRetries: 0,
    timeout: timeoutMs,
    telemetry: false,
    ...(place && {
      host: place.hostname,
      port: place.port,
      protocol: place.protocol === 'http:' ? 'http' : 'https',
    }),
  });
}

/**
 * Meaning of a failed request. `rejected`: Stripe has checked it and done nothing. `burnt`: Stripe
 * repeats the failure of an earlier request with the same idempotency key. `unknown`: the request
 * may have been executed.
 */
export type StripeFailure = 'rejected' | 'burnt' | 'unknown';

const REJECTIONS = ['StripeInvalidRequestError', 'StripeCardError', 'StripePermissionError'];

export function failureOf(error: unknown): StripeFailure {
  if (!(error instanceof Stripe.errors.StripeError)) throw error;
  if (REJECTIONS.includes(error.type) && error.statusCode !== 409) return 'rejected';
  return error.headers?.['idempotent-replayed'] === 'true' ? 'burnt' : 'unknown';
}
