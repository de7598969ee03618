import { CodedError } from '#bus-schemas/coded-error.ts';

/**
 * All errors that a caller can receive: HTTP status, OpenAI's type, whether the same request may
 * succeed later, and the message that is used if the code has no better one.
 */
const table = {
  invalid_json: {
    status: 400,
    type: 'invalid_request_error',
    retryable: false,
    message: 'The body is not valid JSON.',
  },
  invalid_request: {
    status: 400,
    type: 'invalid_request_error',
    retryable: false,
    message: 'The request is not valid.',
  },
  invalid_schema: {
    status: 422,
    type: 'invalid_request_error',
    retryable: false,
    message: 'No valid answer to this JSON schema can be generated.',
  },
  badly_sealed: {
    status: 400,
    type: 'invalid_request_error',
    retryable: false,
    message:
      'The provider cannot open this sealed request. Open a new session and seal for the key of its offer.',
  },
  unsupported_media_type: {
    status: 415,
    type: 'invalid_request_error',
    retryable: false,
    message: 'Send the body as application/json.',
  },
  payload_too_large: {
    status: 413,
    type: 'invalid_request_error',
    retryable: false,
    message: 'The body is larger than 16 MiB.',
  },
  missing_key: {
    status: 401,
    type: 'authentication_error',
    retryable: false,
    message: 'Send your API key as "Authorization: Bearer sk-db-…".',
  },
  invalid_api_key: {
    status: 401,
    type: 'authentication_error',
    retryable: false,
    message: 'The API key is unknown or was revoked.',
  },
  invalid_token: {
    status: 401,
    type: 'authentication_error',
    retryable: false,
    message: 'The sign-in token is invalid or has expired.',
  },
  signed_out: {
    status: 401,
    type: 'authentication_error',
    retryable: false,
    message: 'You are signed out, or your session has expired. Sign in again.',
  },
  user_required: {
    status: 403,
    type: 'forbidden',
    retryable: false,
    message:
      'This route needs the sign-in token of a person. An API key may only be used for inference and to read its own spending.',
  },
  key_required: {
    status: 403,
    type: 'forbidden',
    retryable: false,
    message: 'This route needs an API key instead of a sign-in token.',
  },
  model_not_allowed: {
    status: 403,
    type: 'forbidden',
    retryable: false,
    message: 'This API key may not use this model.',
  },
  account_suspended: {
    status: 403,
    type: 'forbidden',
    retryable: false,
    message:
      'An operator has suspended this account. Ask the operator of the network for the reason.',
  },
  forbidden: {
    status: 403,
    type: 'forbidden',
    retryable: false,
    message: 'You have no permission for this.',
  },
  conflict: {
    status: 409,
    type: 'invalid_request_error',
    retryable: false,
    message: 'The same operation was already carried out with other values.',
  },
  gone: {
    status: 410,
    type: 'invalid_request_error',
    retryable: false,
    message: 'The requested object has expired.',
  },
  request_running: {
    status: 409,
    type: 'conflict',
    retryable: true,
    message:
      'A request with this Idempotency-Key is still running. Repeat the request later to get its answer.',
  },
  seal_again: {
    status: 409,
    type: 'conflict',
    retryable: true,
    message: 'This provider cannot serve the request. Seal it for the provider of the new offer.',
  },
  idempotency_key_reused: {
    status: 422,
    type: 'invalid_request_error',
    retryable: false,
    message: 'This Idempotency-Key was used for another request. Use a new one.',
  },
  preferences_unmet: {
    status: 404,
    type: 'invalid_request_error',
    retryable: false,
    message: 'No provider serves this model with the preferences of the request.',
  },
  no_linked_machine: {
    status: 409,
    type: 'invalid_request_error',
    retryable: false,
    message:
      'The request allows only machines of your own, and your account has none. Link one with "dinf provider --link".',
  },
  rate_limit_exceeded: {
    status: 429,
    type: 'rate_limit_exceeded',
    retryable: true,
    message: 'The limit for requests or tokens per minute is reached.',
  },
  not_configured: {
    status: 404,
    type: 'invalid_request_error',
    retryable: false,
    message: 'This network does not offer this feature.',
  },
  insufficient_quota: {
    status: 402,
    type: 'insufficient_funds',
    retryable: false,
    message:
      'The balance does not cover the highest possible cost of this request. Add credit, or lower max_tokens.',
  },
  payment_owed: {
    status: 402,
    type: 'insufficient_funds',
    retryable: false,
    message:
      'The account owes money, because a payment was refunded or disputed after its credit was spent. Buy credit: the debt is paid from it first.',
  },
  key_limit_reached: {
    status: 402,
    type: 'insufficient_funds',
    retryable: false,
    message:
      'The request may cost more than the daily, weekly, monthly or lifetime limit of this key has left. Raise the limit, or lower max_tokens.',
  },
  account_limit_reached: {
    status: 402,
    type: 'insufficient_funds',
    retryable: false,
    message:
      'The request may cost more than the account may still spend today (UTC). The operator of the network has set this limit.',
  },
  model_not_found: {
    status: 404,
    type: 'invalid_request_error',
    retryable: false,
    message: 'There is no such model. GET /v1/models lists all models.',
  },
  not_found: {
    status: 404,
    type: 'invalid_request_error',
    retryable: false,
    message: 'There is no such path.',
  },
  previous_response_not_found: {
    status: 400,
    type: 'invalid_request_error',
    retryable: false,
    message: 'The previous response is not stored. Send the whole conversation.',
  },
  storage_full: {
    status: 403,
    type: 'invalid_request_error',
    retryable: false,
    message:
      'The account stores as much as it may: 10,000 objects and 128 MiB. Delete responses, conversations or files, or send the request without "store".',
  },
  method_not_allowed: {
    status: 405,
    type: 'invalid_request_error',
    retryable: false,
    message: 'This path does not have this method. The header Allow lists its methods.',
  },
  context_length_exceeded: {
    status: 400,
    type: 'invalid_request_error',
    retryable: false,
    message:
      "The prompt is too long: with max_tokens it is longer than the model's context length. Shorten the prompt, or lower max_tokens.",
  },
  saturated: {
    status: 429,
    type: 'rate_limit_exceeded',
    retryable: true,
    message: 'Every provider of this model is busy.',
  },
  model_shed: {
    status: 429,
    type: 'rate_limit_exceeded',
    retryable: true,
    message: 'The operator has paused requests for this model.',
  },
  first_content_timeout: {
    status: 429,
    type: 'rate_limit_exceeded',
    retryable: true,
    message: 'No provider started its answer in time.',
  },
  overloaded: {
    status: 429,
    type: 'rate_limit_exceeded',
    retryable: true,
    message: 'This server gets more requests than it can serve. Repeat the request later.',
  },
  draining: {
    status: 429,
    type: 'rate_limit_exceeded',
    retryable: true,
    message: 'This server is shutting down. Repeat the request; another server will accept it.',
  },
  no_provider: {
    status: 503,
    type: 'model_unavailable',
    retryable: true,
    message: 'No provider serves this model at the moment.',
  },
  provider_error: {
    status: 503,
    type: 'provider_error',
    retryable: true,
    message: 'None of the providers that were tried could answer.',
  },
  service_unavailable: {
    status: 503,
    type: 'service_unavailable',
    retryable: true,
    message: 'A component of the service is not reachable at the moment.',
  },
  stream_cut: {
    status: 502,
    type: 'provider_error',
    retryable: true,
    message:
      'The provider stopped in the middle of the answer, and no other one could continue it. Only delivered tokens are charged.',
  },
  provider_out_of_memory: {
    status: 502,
    type: 'provider_error',
    retryable: true,
    message:
      'The computer of the provider needed its memory, so the answer was ended. Only delivered tokens are charged.',
  },
  timeout: {
    status: 504,
    type: 'timeout',
    retryable: true,
    message: 'The answer exceeded the time limit of a request.',
  },
  invalid_enrolment: {
    status: 403,
    type: 'forbidden',
    retryable: false,
    message: 'The enrolment token is unknown, was used by another provider, or has expired.',
  },
  invalid_renewal: {
    status: 403,
    type: 'forbidden',
    retryable: false,
    message:
      'The signature was not made with the key of this machine, or the nonce is not a recent one for it.',
  },
  internal_error: {
    status: 500,
    type: 'internal_error',
    retryable: false,
    message: 'An internal error occurred. It has been logged.',
  },
} as const satisfies Record<
  string,
  { status: number; type: string; retryable: boolean; message: string }
>;

export type ApiErrorCode = keyof typeof table;

/** Anthropic's clients choose the class of an error by its HTTP status, and show its type. */
const anthropicTypes = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  405: 'invalid_request_error',
  409: 'invalid_request_error',
  410: 'api_error',
  413: 'request_too_large',
  415: 'invalid_request_error',
  422: 'invalid_request_error',
  429: 'rate_limit_error',
  500: 'api_error',
  502: 'api_error',
  503: 'overloaded_error',
  504: 'timeout_error',
} as const satisfies Record<(typeof table)[ApiErrorCode]['status'], string>;

/** Default message of each error. */
export const apiErrors: Readonly<
  Record<ApiErrorCode, { readonly status: number; readonly message: string }>
> = table;
export const isApiErrorCode = (code: string): code is ApiErrorCode => Object.hasOwn(table, code);

interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly code: string;
    readonly param: string | null;
    readonly reason?: string;
  };
}

export class ApiError extends CodedError<ApiErrorCode> {
  readonly param: string | null;
  /** Names the message among those of its code, for programs that show it in another language. */
  readonly reason: string | undefined;
  /** Time after which a repetition makes sense; undefined if no component measured one. */
  readonly retryAfterMs: number | undefined;
  /** Fields that Anthropic's clients read from `error.details`. */
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(
    code: ApiErrorCode,
    message?: string,
    options: {
      param?: string;
      reason?: string;
      retryAfterMs?: number;
      details?: Readonly<Record<string, unknown>>;
      cause?: unknown;
    } = {},
  ) {
    super(code, message ?? table[code].message, { cause: options.cause });
    this.param = options.param ?? null;
    this.reason = options.reason;
    this.retryAfterMs = options.retryAfterMs;
    this.details = options.details;
  }

  get status(): number {
    return table[this.code].status;
  }

  get anthropicType(): string {
    return anthropicTypes[table[this.code].status];
  }

  /** True if the same request may succeed later. */
  get isRetryable(): boolean {
    return table[this.code].retryable;
  }

  /** The error in OpenAI's format. */
  toBody(): ErrorBody {
    return {
      error: {
        message: this.message,
        type: table[this.code].type,
        code: this.code,
        param: this.param,
        ...(this.reason !== undefined && { reason: this.reason }),
      },
    };
  }
}
