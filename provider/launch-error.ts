import { CodedError } from '#bus-schemas/coded-error.ts';

/** The reasons why a program that the system needs (nats-server, Postgres) fails to start. */
export type LaunchErrorCode =
  | 'binary_missing'
  | 'binary_unusable'
  | 'binary_too_old'
  | 'fetch_failed'
  | 'digest_mismatch'
  | 'cache_busy'
  | 'exited_early'
  | 'address_in_use'
  | 'no_stream_storage'
  | 'crash_loop'
  | 'not_ready_in_time'
  | 'privileges'
  | 'no_container_engine';

export class LaunchError extends CodedError<LaunchErrorCode> {
  override readonly fault = 'dependency';
}
