import type { HoldRefusal, Refusal, RoutingRefusal } from '#bus-schemas';
import type { ApiErrorCode } from '../errors.ts';

/** What a client is told when somebody within the network says no. */

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

export function holdError(code: HoldRefusal | 'unavailable'): ApiErrorCode {
  switch (code) {
    case 'insufficient_funds':
      return 'insufficient_quota';
    case 'key_limit':
      return 'key_limit_reached';
    case 'unknown_account':
      return 'invalid_key';
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

export function refusalError(reason: Refusal): ApiErrorCode {
  switch (reason) {
    case 'queue_full':
    case 'token_budget_exhausted':
    case 'model_not_loaded':
    case 'draining':
    case 'deadline_unreachable':
      return 'saturated';
    case 'request_exceeds_context':
      return 'context_length_exceeded';
    case 'invalid_request':
      return 'invalid_request';
    case 'unsealable':
    case 'unsupported_suite':
    case 'unknown_job':
      return 'provider_error';
  }
}
