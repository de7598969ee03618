import { verifiesEd25519, verifiesP256 } from '#bus-schemas/platform.ts';

/** Signs with a private key that only one machine has. */
export interface Signer {
  readonly publicKey: Uint8Array;
  sign(text: Uint8Array): Uint8Array;
}

/**
 * Sizes of a provider's keys and signatures, in bytes. The curve is P-256, because a Secure Enclave
 * has no other. Public keys are uncompressed points; a signature is r followed by s.
 */
export const P256_KEY_BYTES = 65;
export const P256_SIGNATURE_BYTES = 64;
export const UNCOMPRESSED = 4;

export function isSignedByP256(
  publicKey: Uint8Array,
  text: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (
    publicKey.length !== P256_KEY_BYTES ||
    publicKey[0] !== UNCOMPRESSED ||
    signature.length !== P256_SIGNATURE_BYTES
  )
    return false;
  return holds(() => verifiesP256(publicKey, text, signature));
}

/** Sizes of the coordinator's keys and signatures (Ed25519), in bytes. */
export const ED25519_KEY_BYTES = 32;
export const ED25519_SIGNATURE_BYTES = 64;

export function isSignedByEd25519(
  publicKey: Uint8Array,
  text: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (publicKey.length !== ED25519_KEY_BYTES) return false;
  return holds(() => verifiesEd25519(publicKey, text, signature));
}

/** Returns false if the check throws, for example for a point that is not on the curve. */
function holds(check: () => boolean): boolean {
  try {
    return check();
  } catch {
    return false;
  }
}
