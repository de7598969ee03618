import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { hex, isSignedByP256, newP256Key, p256Signer, type Signer } from '#bus-schemas';
import { readIfThere, replace } from '#bus-schemas/saved-file.ts';
import { type EnclaveKeyOrReason, SecureEnclaveError } from '#native';
import type { Identity } from './agent/attester.ts';

export interface OwnSigner {
  readonly signer: Signer;
  readonly keyStore: Identity['keyStore'];
  /** The reason why a key is in software; present only at the start that made the key. */
  readonly whySoftware?: string;
}

/**
 * The key that signs this provider's receipts and evidence. It is made at the first start: in the
 * Secure Enclave if this program may use it, otherwise in a file of the provider's folder. The key
 * never changes. The network identifies the machine by it and rejects one with another key as an
 * impostor. A machine whose key is in software therefore keeps it on a Mac too, and a machine whose
 * key is in the enclave never gets a second one.
 */
export async function ownSigner(
  home: string,
  openEnclave: () => EnclaveKeyOrReason,
): Promise<OwnSigner> {
  const file = join(home, 'signing.pem');
  const inSoftware = await readIfThere(file);
  if (inSoftware !== undefined) return { signer: p256Signer(inSoftware), keyStore: 'software' };

  const publicKeyFile = join(home, 'signing.enclave');
  const known = await readIfThere(publicKeyFile);
  const key = tested(openEnclave());
  if (known !== undefined) return { signer: sameKey(known, key), keyStore: 'secure_enclave' };

  await mkdir(home, { recursive: true, mode: 0o700 });
  if (key.available) {
    await replace(publicKeyFile, hex(key.publicKey));
    return { signer: key, keyStore: 'secure_enclave' };
  }
  const made = newP256Key();
  await replace(file, made);
  return { signer: p256Signer(made), keyStore: 'software', whySoftware: key.reason };
}

const TRIAL = Buffer.from('d-inference key trial 1\n');

/**
 * Signs a test text with the key and checks the signature before the network learns the key. A key
 * that cannot sign counts as unavailable.
 */
function tested(key: EnclaveKeyOrReason): EnclaveKeyOrReason {
  if (!key.available) return key;
  try {
    if (isSignedByP256(key.publicKey, TRIAL, key.sign(TRIAL))) return key;
    return { available: false, reason: 'the signature of its key is not valid' };
  } catch (error) {
    if (!(error instanceof SecureEnclaveError)) throw error;
    return { available: false, reason: error.message };
  }
}

/**
 * Throws if the enclave does not return the key that the network knows. A new key would turn this
 * machine into another one, although the keychain may only be locked and the next start may
 * succeed.
 */
function sameKey(known: string, key: EnclaveKeyOrReason): Signer {
  if (key.available && hex(key.publicKey) === known) return key;
  const reason = key.available ? 'it has another key' : key.reason;
  throw new SecureEnclaveError(
    'key_gone',
    `the network identifies this machine by a key in its Secure Enclave, which does not return it: ${reason}. If the key is lost, enrol the machine again with another folder (--home).`,
  );
}
