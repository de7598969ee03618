import Stripe from 'stripe';
import type { StripeConfig } from '#coordinator/config.ts';

const TIMEOUT_MS = 10_000;

/**
 * Repeats nothing by itself but what a broken connection lost, under the same key: whether to ask
 * again is decided where the money is known.
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
 * What a failed request means. `rejected`: Stripe looked at it and did nothing. `burnt`: Stripe
 * repeats the failure of an earlier
 * one under the same key. `unknown`: it may have been done.
 */
export type StripeFailure = 'rejected' | 'burnt' | 'unknown';

const REJECTIONS = ['StripeInvalidRequestError', 'StripeCardError', 'StripePermissionError'];

export function failureOf(error: unknown): StripeFailure {
  if (!(error instanceof Stripe.errors.StripeError)) throw error;
  if (REJECTIONS.includes(error.type) && error.statusCode !== 409) return 'rejected';
  return error.headers?.['idempotent-replayed'] === 'true' ? 'burnt' : 'unknown';
}
