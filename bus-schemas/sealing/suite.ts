import {
  AEAD_ChaCha20Poly1305,
  CipherSuite,
  KDF_HKDF_SHA256,
  KEM_DHKEM_X25519_HKDF_SHA256,
} from 'hpke';
import { aeadReady, type SecretKey, secretKey, sha256, toHex } from '#bus-schemas/platform.ts';

/** Name of the suite in messages, so that a later version can add another suite. */
export const SUITE_ID = 'x25519-sha256-chacha20poly1305';
export const suite = new CipherSuite(
  KEM_DHKEM_X25519_HKDF_SHA256,
  KDF_HKDF_SHA256,
  AEAD_ChaCha20Poly1305,
);

/** Both sides of a context must use the same `info`; otherwise they derive different keys. */
export const CONTEXT_INFO = new TextEncoder().encode('d-inference relay 2');
const EXPORT_LABEL = new TextEncoder().encode('d-inference jobs');
const SECRET_BYTES = 32;

export interface SealingKeyPair {
  /** The form that the provider announces: 32 raw bytes. */
  readonly publicKey: Uint8Array;
  readonly keys: Awaited<ReturnType<typeof suite.GenerateKeyPair>>;
}

export async function generateSealingKeyPair(): Promise<SealingKeyPair> {
  const keys = await suite.GenerateKeyPair(false);
  return { publicKey: await suite.SerializePublicKey(keys.publicKey), keys };
}

/** Short name of a public key: the first 64 bits of its SHA-256 digest. */
export function keyIdOf(publicKey: Uint8Array): string {
  return toHex(sha256(publicKey)).slice(0, 16);
}

/** Returns the secret of a context. The keys of its jobs are derived from it synchronously. */
export async function contextSecret(context: {
  Export(label: Uint8Array, length: number): Promise<Uint8Array>;
}): Promise<SecretKey> {
  await aeadReady();
  return secretKey(await context.Export(EXPORT_LABEL, SECRET_BYTES));
}
