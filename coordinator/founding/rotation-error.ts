/** A rotation cannot be done in the present state of the keys. The message says what to do. */
export class RotationError extends Error {
  override readonly name = 'RotationError';
  readonly code = 'rotation_refused';
}
