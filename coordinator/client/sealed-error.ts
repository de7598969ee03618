/**
 * Why a sealed request was not answered. What is not ours comes from the coordinator, by its own
 * code.
 */
export type RefusalReason =
  | 'unreadable_answer'
  | 'unreachable'
  | 'not_this_network'
  /** What is offered does not show what it is. */
  | 'untrusted_offer'
  /** The log says two things. */
  | 'log_forked'
  | 'log_key_changed'
  | 'log_stale'
  /** What was said beside the frames is not what is in them. */
  | 'false_outline'
  | 'false_hash'
  | 'unopenable_frame'
  | 'stream_cut'
  | 'request_too_long';

export class SealedError extends Error {
  readonly code: string;
  /** Of the coordinator's answer, where there was one. */
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;

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
    super(message, options);
    this.name = 'SealedError';
    const { code, status, retryAfterMs } =
      typeof why === 'string' ? { code: why, status: undefined, retryAfterMs: undefined } : why;
    this.code = code;
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}
