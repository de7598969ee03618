/**
 * Who can remove the cause of an error. `user`: the person who typed the command or wrote the
 * settings. `dependency`: a program that is missing or does not answer. `disk`: a full disk, or a
 * file that cannot be read or written. `other`: everything else, for example a refusal by the
 * coordinator.
 */
export type ErrorFault = 'user' | 'dependency' | 'disk' | 'other';

/**
 * Base class of all errors that a caller tells apart. Callers compare `code`, which is one word of
 * a closed list; the message is for people. An error that wraps another one has it as `cause`.
 */
export abstract class CodedError<Code extends string = string> extends Error {
  readonly code: Code;
  /** Decides the exit code of a command that ends with this error. */
  readonly fault: ErrorFault = 'other';

  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}
