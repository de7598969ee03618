import { Hash, hex, X25519Key } from '../bytes.ts';
import { Bytes } from '../codec.ts';
import { BuildId, ProviderId } from '../ids.ts';
import { textOf } from '../receipts/lines-of-text.ts';
import {
  isSignedByP256,
  P256_KEY_BYTES,
  P256_SIGNATURE_BYTES,
  type Signer,
} from '../receipts/signed-by.ts';
import { At, optional } from '../schema-parts.ts';
import { type Static, Type } from '../type.ts';

/**
 * The report of a machine about itself, signed with the key of its receipts: its keys, the code
 * that it runs, and its protections. It is made for one challenge and contains the nonce of that
 * challenge. The signed text consists of plain lines, like receipts, so that everyone can rebuild
 * and check it.
 */

/** State of a protection as macOS reports it; `unknown` on other systems. */
export const PROTECTIONS = ['on', 'off', 'unknown'] as const;
const Protection = Type.Enum(PROTECTIONS);
const posture = Type.Object({
  systemIntegrity: Protection,
  secureBoot: Protection,
  authenticatedRoot: Protection,
  debuggersDenied: Protection,
});
export type Posture = Static<typeof posture>;

/** Place of the signing key. */
export const KEY_STORES = ['secure_enclave', 'software'] as const;

export const NONCE_BYTES = 32;
const NKEY_SIGNATURE_BYTES = 64;
const MAX_CERTIFICATES = 5;
const MAX_CERTIFICATE_BYTES = 4_096;

const MAX_BUILDS = 64;
export const WeightsDigest = Type.Object({ build: BuildId, digest: Hash });
export type WeightsDigest = Static<typeof WeightsDigest>;

const claims = {
  provider: ProviderId,
  signingKey: Bytes({ min: P256_KEY_BYTES, max: P256_KEY_BYTES }),
  keyStore: Type.Enum(KEY_STORES),
  suite: Type.String({ maxLength: 64, pattern: '^[a-z0-9-]+$' }),
  sealingKey: X25519Key,
  /** Key of the machine on the bus. */
  busKey: Type.String({ pattern: '^U[A-Z2-7]{55}$' }),
  agentVersion: Type.String({ maxLength: 32, pattern: '^[0-9A-Za-z.+-]+$' }),
  /** Digest of the code that the machine runs. */
  codeHash: Hash,
  simulated: Type.Boolean(),
  /**
   * Present if a program that is in no release runs the models. That program reads the prompts, so
   * the digest of the code does not cover everything that does.
   */
  engine: optional(Type.Literal('external')),
  posture,
  /** Digests of the files of all builds that the machine has loaded or can load. */
  weights: optional(Type.Array(WeightsDigest, { maxItems: MAX_BUILDS })),
  /** Time of the machine's own clock, in milliseconds since 1970. */
  at: At,
  nonce: Bytes({ min: NONCE_BYTES, max: NONCE_BYTES }),
  /**
   * Apple's certificate chain for the device and its key; the device's own certificate comes first.
   */
  certificates: optional(
    Type.Array(Bytes({ min: 1, max: MAX_CERTIFICATE_BYTES }), { maxItems: MAX_CERTIFICATES }),
  ),
};
const claimsObject = Type.Object(claims);
export type EvidenceClaims = Static<typeof claimsObject>;

export const Evidence = Type.Object({
  ...claims,
  signature: Bytes({ min: P256_SIGNATURE_BYTES, max: P256_SIGNATURE_BYTES }),
  /**
   * Signature of the same text with the machine's key on the bus. Versions before 0.2 do not send
   * it.
   */
  busSignature: optional(Bytes({ min: NKEY_SIGNATURE_BYTES, max: NKEY_SIGNATURE_BYTES })),
});
export type Evidence = Static<typeof Evidence>;

/**
 * Returns the text that is signed. It does not include the certificates, because Apple has signed
 * them.
 */
export function evidenceText(claimed: EvidenceClaims): Uint8Array {
  const {
    provider,
    signingKey,
    keyStore,
    suite,
    sealingKey,
    busKey,
    agentVersion,
    codeHash,
    simulated,
    engine,
    weights = [],
    at,
    nonce,
  } = claimed;
  const { systemIntegrity, secureBoot, authenticatedRoot, debuggersDenied } = claimed.posture;
  return textOf([
    'd-inference evidence 1',
    `provider ${provider}`,
    `signing ${hex(signingKey)} ${keyStore}`,
    `sealing ${suite} ${hex(sealingKey)}`,
    `bus ${busKey}`,
    `agent ${agentVersion} ${hex(codeHash)}`,
    `machine ${simulated ? 'simulated' : 'real'}`,
    ...(engine === undefined ? [] : [`engine ${engine}`]),
    `posture ${systemIntegrity} ${secureBoot} ${authenticatedRoot} ${debuggersDenied}`,
    ...weights.map(({ build, digest }) => `weights ${build} ${hex(digest)}`),
    `at ${at}`,
    `nonce ${hex(nonce)}`,
  ]);
}

/** Without the key on the bus, the evidence is that of a version before 0.2. */
export function signEvidence(
  signer: Signer,
  claimed: Omit<EvidenceClaims, 'signingKey'>,
  busKey?: Pick<Signer, 'sign'>,
): Evidence {
  const signed = { ...claimed, signingKey: signer.publicKey };
  const text = evidenceText(signed);
  return {
    ...signed,
    signature: signer.sign(text),
    ...(busKey && { busSignature: busKey.sign(text) }),
  };
}

export const isEvidenceSigned = (evidence: Evidence): boolean =>
  isSignedByP256(evidence.signingKey, evidenceText(evidence), evidence.signature);
