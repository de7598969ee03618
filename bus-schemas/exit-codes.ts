/** Exit codes of `dinf`. The numbers 64, 69 and 74 are those of sysexits.h. */
export const EXIT = {
  ok: 0,
  /** The command started and then failed. */
  failure: 1,
  /** The command line or the configuration is wrong. */
  usage: 64,
  /** Something outside the program is missing: Node 24, npm, the network, nats-server, Postgres. */
  unavailable: 69,
  /** A disk is full, or a file cannot be read or written. */
  io: 74,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/**
 * An expected failure of a command: its message is printed unchanged and without a stack. It has an
 * exit code and no other code, because only the shell distinguishes it.
 */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}
