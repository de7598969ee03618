import { CodedError } from '#bus-schemas/coded-error.ts';

/**
 * A call that failed, with the reason that the API or the browser gave. The code is that of the
 * API's error, `unreachable` if no answer came, or `http_<status>`.
 */
export class ApiFailure extends CodedError {
  readonly status: number | undefined;
  /** Names the message among those of its code. */
  readonly reason: string | undefined;
  /** The field of the request that caused the failure. */
  readonly param: string | undefined;

  constructor(
    code: string,
    message: string,
    {
      status,
      reason,
      param,
      cause,
    }: { status?: number; reason?: string; param?: string; cause?: unknown } = {},
  ) {
    super(code, message, { cause });
    this.status = status;
    this.reason = reason;
    this.param = param;
  }
}

/** The failure that a response with an error status describes. */
export async function readFailure(response: Response): Promise<ApiFailure> {
  const fallback = `http_${response.status}`;
  const body: unknown = await response.json().catch(() => undefined);
  const error = (body as { error?: unknown } | undefined)?.error;
  const { code, message, reason, param } = (
    typeof error === 'object' && error !== null ? error : {}
  ) as Readonly<Record<string, unknown>>;
  return new ApiFailure(
    typeof code === 'string' ? code : fallback,
    typeof message === 'string' ? message : '',
    {
      status: response.status,
      ...(typeof reason === 'string' && { reason }),
      ...(typeof param === 'string' && { param }),
    },
  );
}
