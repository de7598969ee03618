import { CodedError } from '#bus-schemas/coded-error.ts';

/**
 * A call that failed, with the reason that the API or the browser gave. The code is that of the
 * API's error, `unreachable` if no answer came, or `http_<status>`.
 */
export class ApiFailure extends CodedError {
  readonly status: number | undefined;

  constructor(code: string, message: string, status?: number, options?: ErrorOptions) {
    super(code, message, options);
    this.status = status;
  }
}

/** The failure that a response with an error status describes. */
export async function readFailure(response: Response): Promise<ApiFailure> {
  const fallback = `http_${response.status}`;
  const body: unknown = await response.json().catch(() => undefined);
  const error = (body as { error?: unknown } | undefined)?.error;
  const { code, message } = (typeof error === 'object' && error !== null ? error : {}) as {
    code?: unknown;
    message?: unknown;
  };
  return new ApiFailure(
    typeof code === 'string' ? code : fallback,
    typeof message === 'string' ? message : '',
    response.status,
  );
}
