import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from 'node:crypto';
import { rawSignature } from './der-signature.ts';
import { type Signer, UNCOMPRESSED } from './signed-by.ts';

/** Private keys, and signers that use them. `signed-by.ts` checks the signatures. */

export const newP256Key = (): string =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
  }) as string;

/** Returns the signer of a private key in PEM. */
export function p256Signer(pem: string): Signer {
  const key = createPrivateKey(pem);
  const { x = '', y = '', crv } = createPublicKey(key).export({ format: 'jwk' });
  if (crv !== 'P-256') throw new TypeError('the key is not a P-256 key');
  return {
    publicKey: Buffer.concat([
      Uint8Array.of(UNCOMPRESSED),
      Buffer.from(x, 'base64url'),
      Buffer.from(y, 'base64url'),
    ]),
    sign: (text) => signed(text, key),
  };
}

/**
 * Returns r followed by s. Node could do it too, but signing with options takes it twice as long
 * (see `verifiesP256`).
 */
function signed(text: Uint8Array, key: KeyObject): Uint8Array {
  const raw = rawSignature(sign('sha256', text, key));
  if (raw === undefined) throw new TypeError('the signature is not one of P-256');
  return raw;
}

export const newEd25519Key = (): string =>
  generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;

export function ed25519Signer(pem: string): Signer {
  const key = createPrivateKey(pem);
  const { x = '', crv } = createPublicKey(key).export({ format: 'jwk' });
  if (crv !== 'Ed25519') throw new TypeError('the key is not an Ed25519 key');
  return { publicKey: Buffer.from(x, 'base64url'), sign: (text) => sign(null, text, key) };
}
