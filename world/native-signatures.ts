import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { createRequire } from 'node:module';

interface KeyPair {
  readonly publicKey: Uint8Array;
  readonly secretKey: Uint8Array;
}

/** The parts of tweetnacl with which the keys of NATS sign. */
interface Signatures {
  readonly sign: {
    readonly keyPair: { fromSeed(seed: Uint8Array): KeyPair };
    detached: {
      (message: Uint8Array, secretKey: Uint8Array): Uint8Array;
      verify(message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean;
    };
  };
}

const SEED_BYTES = 32;
/** The fixed beginnings of keys of Ed25519 in DER (RFC 8410), which their 32 bytes follow. */
const DER_PRIVATE = Buffer.from('302e020100300506032b657004220420', 'hex');
const DER_PUBLIC = Buffer.from('302a300506032b6570032100', 'hex');

/** The signatures of Ed25519 by Node, with the functions that tweetnacl has for them. */
export const nativeSignatures: Signatures['sign'] = {
  keyPair: {
    fromSeed: (seed) => {
      const publicKey = createPublicKey(privateKey(seed))
        .export({ format: 'der', type: 'spki' })
        .subarray(DER_PUBLIC.length);
      return {
        publicKey: new Uint8Array(publicKey),
        secretKey: new Uint8Array(Buffer.concat([seed, publicKey])),
      };
    },
  },
  detached: Object.assign(
    (message: Uint8Array, secretKey: Uint8Array) =>
      new Uint8Array(sign(null, message, privateKey(secretKey.subarray(0, SEED_BYTES)))),
    {
      verify: (message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array) =>
        verify(null, message, publicKeyOf(publicKey), signature),
    },
  ),
};

/**
 * Has the keys of NATS sign by Node's own Ed25519, which gives the same bytes as the JavaScript of
 * tweetnacl in a twentieth of the time: each start of a component signs a token.
 */
export function installNativeSignatures(): void {
  const signatures = tweetnacl().sign;
  Object.assign(signatures.keyPair, nativeSignatures.keyPair);
  signatures.detached = nativeSignatures.detached;
}

/** The library with which the keys of NATS sign. */
export const tweetnacl = (): Signatures =>
  createRequire(import.meta.resolve('@nats-io/nkeys'))('tweetnacl') as Signatures;

const privateKey = (seed: Uint8Array) =>
  createPrivateKey({ key: Buffer.concat([DER_PRIVATE, seed]), format: 'der', type: 'pkcs8' });

const publicKeyOf = (bytes: Uint8Array) =>
  createPublicKey({ key: Buffer.concat([DER_PUBLIC, bytes]), format: 'der', type: 'spki' });
