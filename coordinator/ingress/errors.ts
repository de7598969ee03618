/** Every error a consumer can see: its HTTP status, its OpenAI type, and whether the very same request may succeed later. */
const table = {
  invalid_json: { status: 400, type: 'invalid_request_error', retryable: false },
  invalid_request: { status: 400, type: 'invalid_request_error', retryable: false },
  unsupported_media_type: { status: 415, type: 'invalid_request_error', retryable: false },
  payload_too_large: { status: 413, type: 'invalid_request_error', retryable: false },
  missing_key: { status: 401, type: 'authentication_error', retryable: false },
  invalid_key: { status: 401, type: 'authentication_error', retryable: false },
  insufficient_quota: { status: 402, type: 'insufficient_funds', retryable: false },
  model_not_found: { status: 404, type: 'invalid_request_error', retryable: false },
  not_found: { status: 404, type: 'invalid_request_error', retryable: false },
  context_length_exceeded: { status: 400, type: 'invalid_request_error', retryable: false },
  saturated: { status: 429, type: 'rate_limit_exceeded', retryable: true },
  first_content_timeout: { status: 429, type: 'rate_limit_exceeded', retryable: true },
  draining: { status: 429, type: 'rate_limit_exceeded', retryable: true },
  no_provider: { status: 503, type: 'model_unavailable', retryable: true },
  provider_error: { status: 503, type: 'provider_error', retryable: true },
  service_unavailable: { status: 503, type: 'service_unavailable', retryable: true },
  stream_cut: { status: 502, type: 'provider_error', retryable: true },
  timeout: { status: 504, type: 'timeout', retryable: true },
  invalid_enrolment: { status: 403, type: 'forbidden', retryable: false },
  internal_error: { status: 500, type: 'internal_error', retryable: false },
} as const satisfies Record<string, { status: number; type: string; retryable: boolean }>;

export type ApiErrorCode = keyof typeof table;

export class ApiError extends Error {
  readonly code: ApiErrorCode;
  readonly param: string | null;
  readonly retryAfterMs: number | undefined;

  constructor(code: ApiErrorCode, message: string, options: { param?: string; retryAfterMs?: number; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'ApiError';
    this.code = code;
    this.param = options.param ?? null;
    this.retryAfterMs = options.retryAfterMs;
  }

  get status(): number {
    return table[this.code].status;
  }

  /** Whole seconds for the Retry-After header; every error that may pass has one. */
  get retryAfterSeconds(): number | undefined {
    if (!table[this.code].retryable) return undefined;
    return Math.min(60, Math.max(1, Math.ceil((this.retryAfterMs ?? 2_000) / 1_000)));
  }

  /** The OpenAI envelope. */
  toBody(): { error: { message: string; type: string; code: string; param: string | null } } {
    return { error: { message: this.message, type: table[this.code].type, code: this.code, param: this.param } };
  }
}
