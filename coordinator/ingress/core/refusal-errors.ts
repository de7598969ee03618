import type { HoldRefusal, KeyShortage, RoutingRefusal } from '#bus-schemas';
import type { ApiErrorCode } from '#http-api/errors.ts';

/**
 * Errors of the API for refusals by routing and settlement. bus-schemas/messages/outcomes.ts has
 * those for refusals by providers.
 */

export function routingError(code: RoutingRefusal | 'unavailable'): ApiErrorCode {
  switch (code) {
    case 'no_provider':
      return 'no_provider';
    case 'saturated':
    case 'queue_full':
    case 'queue_timeout':
      return 'saturated';
    case 'too_large':
      return 'context_length_exceeded';
    case 'unavailable':
      return 'service_unavailable';
  }
}

interface Unserved {
  readonly code: ApiErrorCode;
  readonly message: string;
}

/**
 * The error that tells the caller why none of the connected machines may serve the request;
 * undefined for causes that a caller cannot change.
 */
export function unservedBecause(
  code: RoutingRefusal | 'unavailable',
  gate: string | undefined,
): Unserved | undefined {
  if (code !== 'no_provider') return undefined;
  switch (gate) {
    case 'price':
      return {
        code: 'preferences_unmet',
        message:
          'No machine serves this model at the price that the request accepts (provider.max_price).',
      };
    case 'level':
      return {
        code,
        message:
          'No machine that serves this model has the trust level that the request requires (provider.trust_level).',
      };
    case 'minimum_trust':
      return {
        code,
        message:
          'No machine that serves this model has the trust level that this network requires.',
      };
    case 'traits':
      return {
        code,
        message:
          'No machine that serves this model offers what the request needs (tools, vision, reasoning, embeddings or rerank).',
      };
    case 'weights':
      return {
        code,
        message:
          'The files of this model on the machines that serve it differ from the ones in the catalog.',
      };
    case 'no_batches':
      return {
        code,
        message: 'The owners of all machines that serve this model exclude lines of batches.',
      };
    case 'not_wanted':
      return {
        code,
        message: 'None of the machines that the request names serves this model at the moment.',
      };
    default:
      return undefined;
  }
}

const WINDOW_NAMES = { day: 'day', week: 'week', month: 'month', total: 'lifetime' } as const;

/** States the amounts, so that the caller can see what to raise or lower. */
export function shortageMessage({
  window,
  capMicroUsd,
  usedMicroUsd,
  neededMicroUsd,
}: KeyShortage): string {
  const spent = `of the ${dollars(capMicroUsd)} that this key may spend in its ${WINDOW_NAMES[window]}, ${dollars(usedMicroUsd)} is spent or held`;
  return `This request may cost up to ${dollars(neededMicroUsd)}, and ${spent}. Raise the limit of the key, or lower max_tokens.`;
}

/** Names the debt, so that the owner of the account knows how much credit ends it. */
export const debtMessage = (owedMicroUsd: number): string =>
  `The account owes ${dollars(owedMicroUsd)}: a payment was refunded or disputed after its credit was spent. Buy credit for at least this amount; the debt is paid from it first.`;

const dollars = (microUsd: number): string => `$${(microUsd / 1_000_000).toFixed(6)}`;

export function holdError(code: HoldRefusal | 'unavailable'): ApiErrorCode {
  switch (code) {
    // The ledger has no row of an account before its first credit. The API key is valid, but its
    // account has no money.
    case 'unknown_account':
    case 'insufficient_funds':
      return 'insufficient_quota';
    case 'key_limit':
      return 'key_limit_reached';
    case 'account_limit':
      return 'account_limit_reached';
    case 'unpriced_model':
      return 'model_not_found';
    case 'price_above_limit':
      return 'preferences_unmet';
    case 'operation_conflict':
      return 'internal_error';
    case 'unavailable':
      return 'service_unavailable';
  }
}
