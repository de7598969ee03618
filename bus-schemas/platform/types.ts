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
