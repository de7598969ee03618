import { CommanderError } from 'commander';
import { CodedError, type ErrorFault } from '#bus-schemas/coded-error.ts';
import { CommandError, EXIT, type ExitCode } from '#bus-schemas/exit-codes.ts';

/** Error codes of the operating system for files and disks that cannot be used. */
const IO_CODES = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'ENOTDIR', 'EISDIR', 'EDQUOT']);

const EXIT_OF = {
  user: EXIT.usage,
  dependency: EXIT.unavailable,
  disk: EXIT.io,
  other: EXIT.failure,
} as const satisfies Record<ErrorFault, ExitCode>;

/** Returns the exit code for an error that a command threw, and the line to print. */
export function commandEnding(error: unknown): { code: number; line?: string } {
  if (error instanceof CommanderError) {
    // Commander has already printed its message.
    return { code: error.exitCode === 0 ? EXIT.ok : EXIT.usage };
  }
  if (error instanceof CommandError) return { code: error.exitCode, line: error.message };
  if (error instanceof CodedError) return { code: EXIT_OF[error.fault], line: error.message };
  if (error instanceof Error && 'code' in error && IO_CODES.has(String(error.code)))
    return { code: EXIT.io, line: error.message };
  return {
    code: EXIT.failure,
    line: error instanceof Error ? error.message || error.name : String(error),
  };
}
