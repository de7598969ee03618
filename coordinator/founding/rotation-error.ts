import { CodedError } from '#bus-schemas/coded-error.ts';

/** A rotation cannot be done in the present state of the keys. The message says what to do. */
export class RotationError extends CodedError<'rotation_refused'> {
  constructor(message: string, options?: ErrorOptions) {
    super('rotation_refused', message, options);
  }
}
