import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { codeHash, Nkey, type Posture } from '#bus-schemas';
import type { Identity } from './agent/attester.ts';
import { ownSigner } from './own-signer.ts';
import { postureOf } from './posture.ts';
import { readIfThere } from './private-file.ts';

let hash: Uint8Array | undefined;

/** What is kept in a provider's folder that others know it by. Certificates are there where device management has put them. */
export async function ownIdentity(home: string, provider: string, posture: () => Posture = () => postureOf(false)): Promise<Identity> {
  const seed = await readIfThere(join(home, 'user.nk'));
  if (seed === undefined) throw new Error(`${home} has no key for the bus`);
  const certificates = certificatesIn(await readIfThere(join(home, 'certificates.pem')));
  hash ??= codeHash();
  return {
    ...{ provider, posture, codeHash: hash, keyStore: 'software' },
    busKey: Nkey.fromSeed(seed).getPublicKey(),
    signer: await ownSigner(home),
    ...(certificates && { certificates }),
  };
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

const certificatesIn = (pem: string | undefined): Uint8Array[] | undefined => pem?.match(CERTIFICATE)?.map((text) => new X509Certificate(text).raw);
