/**
 * Encodes and decodes the usual messages of one kind. `undefined` says that it does not cover the value
 * or the message, which may be valid nevertheless.
 */
export interface CompiledCodec {
  encode(value: unknown): Uint8Array | undefined;
  /** Everything that it returns fits the schema. */
  decode(bytes: Uint8Array): unknown;
}

/** For places where no code may be generated. */
export const COVERS_NOTHING: CompiledCodec = { encode: () => undefined, decode: () => undefined };
