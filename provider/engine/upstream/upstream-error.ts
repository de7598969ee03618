import { CodedError, type ErrorFault } from '#bus-schemas/coded-error.ts';

/**
 * Why a model server cannot be used, and whose fault each reason is. `unreachable`: it does not
 * accept connections, or breaks them off. `status`: it answered with an HTTP error. `malformed`: its
 * answer does not follow the API of OpenAI. `not_local`: it runs on another machine.
 */
const upstreamErrors = {
  unreachable: 'dependency',
  status: 'dependency',
  malformed: 'dependency',
  not_local: 'user',
} as const satisfies Record<string, ErrorFault>;

/** The message is for the owner of the machine. */
export class UpstreamError extends CodedError<keyof typeof upstreamErrors> {
  override readonly fault = upstreamErrors[this.code];
  /** With `status`: the HTTP status, and the explanation of the server, which may quote the request. */
  readonly status: number | undefined;
  readonly explanation: string | undefined;

  constructor(
    code: keyof typeof upstreamErrors,
    message: string,
    {
      status,
      explanation,
      ...options
    }: ErrorOptions & { status?: number; explanation?: string | undefined } = {},
  ) {
    super(code, message, options);
    this.status = status;
    this.explanation = explanation;
  }
}
