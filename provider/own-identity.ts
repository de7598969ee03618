import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { codeHash, Nkey, type Posture } from '#bus-schemas';
import { readIfThere } from '#bus-schemas/saved-file.ts';
import { type EnclaveKeyOrReason, openEnclaveKey } from '#native';
import type { Identity } from './agent/attester.ts';
import { type OwnSigner, ownSigner } from './own-signer.ts';
import { postureOf } from './posture.ts';

let hash: Uint8Array | undefined;

/** A simulated Mac must not use the Secure Enclave of the machine that it runs on. */
const NO_ENCLAVE: EnclaveKeyOrReason = {
  available: false,
  reason: 'a simulated machine does not use the Secure Enclave',
};

/**
 * Reads the identity of a provider from its folder: bus key, signing key and certificates.
 * `certificates.pem` exists only if device management has put it there. Simulated machines call it
 * without `posture`.
 */
export async function ownIdentity(
  home: string,
  provider: string,
  posture?: () => Promise<Posture>,
): Promise<Identity & Pick<OwnSigner, 'whySoftware'>> {
  const seed = await readIfThere(join(home, 'user.nk'));
  if (seed === undefined)
    throw new Error(
      `${home} has no bus key (user.nk); enrol this machine again with another folder (--home)`,
    );
  const certificates = certificatesIn(await readIfThere(join(home, 'certificates.pem')));
  hash ??= codeHash();
  return {
    ...(await ownSigner(home, () =>
      posture ? openEnclaveKey(`d-inference ${provider}`) : NO_ENCLAVE,
    )),
    provider,
    codeHash: hash,
    posture: posture ?? (() => postureOf(false)),
    busKey: Nkey.fromSeed(seed),
    ...(certificates && { certificates }),
  };
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

const certificatesIn = (pem: string | undefined): Uint8Array[] | undefined =>
  pem?.match(CERTIFICATE)?.map((text) => new X509Certificate(text).raw);
