import { CodedError } from '#bus-schemas/coded-error.ts';
import { rawSignature } from '#bus-schemas/der-signature.ts';
import { loadAddon } from './loaded-addon.ts';

/** A P-256 key that cannot be exported from its machine. */
export interface EnclaveKey {
  readonly available: true;
  /** The public key as an uncompressed point of 65 bytes. */
  readonly publicKey: Uint8Array;
  /**
   * Signs the SHA-256 of the text and returns r and s. Blocks until the enclave answers. Throws
   * SecureEnclaveError if it refuses.
   */
  sign(text: Uint8Array): Uint8Array;
}

/** The reason is the operating system's message, if there is one. */
export type EnclaveKeyOrReason =
  | EnclaveKey
  | { readonly available: false; readonly reason: string };

/**
 * `key_gone` means that the enclave no longer returns the key under which the machine is
 * registered.
 */
export class SecureEnclaveError extends CodedError<'signing_failed' | 'key_gone'> {}

interface Exports {
  openKey(label: string):
    | {
        readonly available: true;
        readonly publicKey: Uint8Array;
        sign(text: Uint8Array): Uint8Array | string;
      }
    | { readonly available: false; readonly reason: string };
}

/** Opens the key with this label in the Secure Enclave, and creates it if it does not exist. */
export function openEnclaveKey(label: string): EnclaveKeyOrReason {
  if (process.platform !== 'darwin')
    return { available: false, reason: 'only a Mac has a Secure Enclave' };
  const addon = loadAddon<Exports>('secure-enclave');
  if (!addon.available) return addon;
  const key = addon.exports.openKey(label);
  if (!key.available) return key;
  return { available: true, publicKey: key.publicKey, sign: (text) => signatureIn(key.sign(text)) };
}

function signatureIn(answer: Uint8Array | string): Uint8Array {
  if (typeof answer === 'string') throw new SecureEnclaveError('signing_failed', answer);
  const signature = rawSignature(answer);
  if (signature === undefined)
    throw new SecureEnclaveError(
      'signing_failed',
      'the Secure Enclave returned an invalid P-256 signature',
    );
  return signature;
}
