import { ApiError, type ApiErrorCode, isApiErrorCode } from '#http-api/errors.ts';
import { SealedError } from '../mod.ts';

/**
 * Errors of the coordinator keep their code. An error that this client detected becomes
 * `provider_error`, or the code in `OWN_ERRORS`; its message ends with the client's own code.
 */
export function apiErrorOf(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (!(error instanceof SealedError))
    return new ApiError('internal_error', undefined, { cause: error });
  const retry = error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs };
  if (isApiErrorCode(error.code))
    return new ApiError(error.code, error.message, { cause: error, ...retry });
  return new ApiError(
    OWN_ERRORS[error.code] ?? 'provider_error',
    `${error.message} (${error.code})`,
    { cause: error },
  );
}

const OWN_ERRORS: Readonly<Record<string, ApiErrorCode>> = {
  unreachable: 'service_unavailable',
  request_too_long: 'payload_too_large',
};
