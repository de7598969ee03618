/** Parameters of one sealed message; `bound` is authenticated and not encrypted. */
interface AeadInput {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly bound: Uint8Array;
}

export interface Aead {
  seal(plain: Uint8Array, input: AeadInput): Uint8Array;
  open(sealed: Uint8Array, input: AeadInput): Uint8Array;
}

/** A hash of data that arrives in pieces. */
export interface RunningHash {
  update(data: Uint8Array): unknown;
  digest(): Uint8Array;
}

/**
 * Encodes and decodes the usual messages of one kind. `undefined` says that it does not cover the value
 * or the message, which may be valid nevertheless.
 */
export interface FastCodec {
  encode(value: unknown): Uint8Array | undefined;
  /** Everything that it returns fits the schema. */
  decode(bytes: Uint8Array): unknown;
}
