import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { hex, isSignedByP256, newP256Key, p256Signer, type Signer } from '#bus-schemas';
import { type EnclaveKeyOrReason, SecureEnclaveError } from '#native';
import type { Identity } from './agent/attester.ts';
import { readIfThere, writePrivate } from './private-file.ts';

export interface OwnSigner {
  readonly signer: Signer;
  readonly keyStore: Identity['keyStore'];
  /** Why a key that was made just now is in software. */
  readonly whySoftware?: string;
}

/**
 * The key that this provider signs its work with: made at its first start, in the Secure Enclave
 * where there is one that may be used, in
 * a file of its folder otherwise. It is for good. The network knows the machine by this key and
 * takes one with another key for an
 * impostor, so a machine that has a key in software keeps it on a Mac too, and one that has its key
 * in the enclave never gets another.
 */
export async function ownSigner(
  home: string,
  openEnclave: () => EnclaveKeyOrReason,
): Promise<OwnSigner> {
  const file = join(home, 'signing.pem');
  const inSoftware = await readIfThere(file);
  if (inSoftware !== undefined) return { signer: p256Signer(inSoftware), keyStore: 'software' };

  const note = join(home, 'signing.enclave');
  const known = await readIfThere(note);
  const key = tried(openEnclave());
  if (known !== undefined) return { signer: sameKey(known, key), keyStore: 'secure_enclave' };

  await mkdir(home, { recursive: true, mode: 0o700 });
  if (key.available) {
    await writePrivate(note, hex(key.publicKey));
    return { signer: key, keyStore: 'secure_enclave' };
  }
  const made = newP256Key();
  await writePrivate(file, made);
  return { signer: p256Signer(made), keyStore: 'software', whySoftware: key.reason };
}

const TRIAL = Buffer.from('d-inference key trial 1\n');

/** Before anybody is told of it: a key that does not sign is none. */
function tried(key: EnclaveKeyOrReason): EnclaveKeyOrReason {
  if (!key.available) return key;
  try {
    if (isSignedByP256(key.publicKey, TRIAL, key.sign(TRIAL))) return key;
    return { available: false, reason: 'the signature of its key does not hold' };
  } catch (error) {
    if (!(error instanceof SecureEnclaveError)) throw error;
    return { available: false, reason: error.message };
  }
}

/**
 * A locked keychain is no reason to become another machine: the start fails, and the next one may
 * find the key.
 */
function sameKey(known: string, key: EnclaveKeyOrReason): Signer {
  if (key.available && hex(key.publicKey) === known) return key;
  const reason = key.available ? 'it has another key' : key.reason;
  throw new SecureEnclaveError(
    'key_gone',
    `the network knows this machine by a key in its Secure Enclave, which does not give it: ${reason}. If it is lost, enrol the machine anew with another folder.`,
  );
}
