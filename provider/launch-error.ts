import { CodedError } from '#bus-schemas/coded-error.ts';

/** The reasons why a program that the system needs (nats-server, Postgres) fails to start. */
export const launchErrors = {
  binary_missing: { retryable: false, level: 'error' },
  binary_unusable: { retryable: false, level: 'error' },
  binary_too_old: { retryable: false, level: 'error' },
  fetch_failed: { retryable: true, level: 'warn' },
  digest_mismatch: { retryable: false, level: 'error' },
  cache_busy: { retryable: true, level: 'warn' },
  exited_early: { retryable: false, level: 'error' },
  address_in_use: { retryable: true, level: 'warn' },
  no_stream_storage: { retryable: false, level: 'error' },
  crash_loop: { retryable: false, level: 'error' },
  not_ready_in_time: { retryable: true, level: 'error' },
  privileges: { retryable: false, level: 'error' },
  no_container_engine: { retryable: false, level: 'error' },
} as const satisfies Record<string, { retryable: boolean; level: 'warn' | 'error' }>;

export type LaunchErrorCode = keyof typeof launchErrors;

export class LaunchError extends CodedError<LaunchErrorCode> {
  get retryable(): boolean {
    return launchErrors[this.code].retryable;
  }
}
