import { CodedError, type ErrorFault } from '#bus-schemas/coded-error.ts';

/**
 * The reasons for which this client rejects an answer or an offer. An error that the coordinator
 * returned keeps the coordinator's own code instead.
 */
export type RefusalReason =
  | 'unreadable_answer'
  | 'unreachable'
  | 'not_this_network'
  /** The offered machine did not prove what it is. */
  | 'untrusted_offer'
  /** The log has two versions: the coordinator showed different entries at different times. */
  | 'log_forked'
  | 'log_key_changed'
  | 'log_stale'
  /** The outline beside a frame does not agree with the sealed content. */
  | 'false_outline'
  | 'false_hash'
  | 'unopenable_frame'
  | 'stream_cut'
  | 'request_too_long';

export class SealedError extends CodedError {
  /** The HTTP status of the coordinator's answer, if there was one. */
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;
  override readonly fault: ErrorFault;

  constructor(code: RefusalReason, message: string, options?: ErrorOptions);
  constructor(
    answer: { code: string; status: number; retryAfterMs: number | undefined },
    message: string,
  );
  constructor(
    why: RefusalReason | { code: string; status: number; retryAfterMs: number | undefined },
    message: string,
    options?: ErrorOptions,
  ) {
    const { code, status, retryAfterMs } =
      typeof why === 'string' ? { code: why, status: undefined, retryAfterMs: undefined } : why;
    super(code, message, options);
    this.fault = code === 'unreachable' ? 'dependency' : 'other';
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}
