/**
 * Base class of all errors that a caller tells apart. Callers compare `code`, which is one word of
 * a closed list; the message is for people. An error that wraps another one has it as `cause`.
 */
export abstract class CodedError<Code extends string = string> extends Error {
  readonly code: Code;

  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}
