import { rawSignature } from './der-signature.ts';
import { loadAddon } from './loaded-addon.ts';

/** A key of P-256 that cannot leave its machine. */
export interface EnclaveKey {
  readonly available: true;
  /** An uncompressed point. */
  readonly publicKey: Uint8Array;
  /** r and s over the SHA-256 of the text. Waits for the enclave; throws a SecureEnclaveError when that refuses. */
  sign(text: Uint8Array): Uint8Array;
}

/** The reason is the system's own words where it has any. */
export type EnclaveKeyOrReason = EnclaveKey | { readonly available: false; readonly reason: string };

export class SecureEnclaveError extends Error {
  override readonly name = 'SecureEnclaveError';
  /** `key_gone`: a machine is known by a key that its enclave does not give any more. */
  readonly code: 'signing_failed' | 'key_gone';

  constructor(code: 'signing_failed' | 'key_gone', message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

interface Exports {
  openKey(
    label: string,
  ):
    | { readonly available: true; readonly publicKey: Uint8Array; sign(text: Uint8Array): Uint8Array | string }
    | { readonly available: false; readonly reason: string };
}

/** The key of this label in the Secure Enclave; made there when there is none. */
export function openEnclaveKey(label: string): EnclaveKeyOrReason {
  if (process.platform !== 'darwin') return { available: false, reason: 'only a Mac has a Secure Enclave' };
  const addon = loadAddon<Exports>('secure-enclave');
  if (!addon.available) return addon;
  const key = addon.exports.openKey(label);
  if (!key.available) return key;
  return { available: true, publicKey: key.publicKey, sign: (text) => signatureIn(key.sign(text)) };
}

function signatureIn(answer: Uint8Array | string): Uint8Array {
  if (typeof answer === 'string') throw new SecureEnclaveError('signing_failed', answer);
  const signature = rawSignature(answer);
  if (signature === undefined) throw new SecureEnclaveError('signing_failed', 'what the Secure Enclave gave is no signature of P-256');
  return signature;
}
