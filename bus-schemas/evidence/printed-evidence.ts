import { checkerOf } from '#bus-schemas/platform.ts';
import { fromHex, HASH_BYTES, Hex, hex, X25519_KEY_BYTES } from '../bytes.ts';
import { BuildId, ProviderId } from '../ids.ts';
import { P256_KEY_BYTES, P256_SIGNATURE_BYTES } from '../receipts/signed-by.ts';
import { At, optional } from '../schema-parts.ts';
import { type Static, Type } from '../type.ts';
import { type Evidence, KEY_STORES, NONCE_BYTES, PROTECTIONS } from './evidence.ts';

/** Evidence as JSON for people, with bytes in hexadecimal. */

const Protection = Type.Enum(PROTECTIONS);

export const PrintedEvidence = Type.Object({
  provider: ProviderId,
  signing_key: Hex(P256_KEY_BYTES),
  key_store: Type.Enum(KEY_STORES),
  suite: Type.String({ pattern: '^[a-z0-9-]+$', maxLength: 64 }),
  sealing_key: Hex(X25519_KEY_BYTES),
  bus_key: Type.String({ pattern: '^U[A-Z2-7]{55}$' }),
  agent_version: Type.String({ pattern: '^[0-9A-Za-z.+-]+$', maxLength: 32 }),
  code_hash: Hex(HASH_BYTES),
  simulated: Type.Boolean(),
  engine: optional(Type.Literal('external')),
  posture: Type.Object({
    system_integrity: Protection,
    secure_boot: Protection,
    authenticated_root: Protection,
    debuggers_denied: Protection,
  }),
  weights: Type.Array(Type.Object({ build: BuildId, digest: Hex(HASH_BYTES) }), { maxItems: 64 }),
  at: At,
  nonce: Hex(NONCE_BYTES),
  signature: Hex(P256_SIGNATURE_BYTES),
});
export type PrintedEvidence = Static<typeof PrintedEvidence>;
const shape = checkerOf(PrintedEvidence);

/**
 * Prints evidence without its certificates, because they contain the serial number of the machine,
 * which is private.
 */
export function printEvidence(evidence: Evidence): PrintedEvidence {
  const { systemIntegrity, secureBoot, authenticatedRoot, debuggersDenied } = evidence.posture;
  return {
    provider: evidence.provider,
    signing_key: hex(evidence.signingKey),
    key_store: evidence.keyStore,
    suite: evidence.suite,
    sealing_key: hex(evidence.sealingKey),
    bus_key: evidence.busKey,
    agent_version: evidence.agentVersion,
    code_hash: hex(evidence.codeHash),
    simulated: evidence.simulated,
    ...(evidence.engine !== undefined && { engine: evidence.engine }),
    posture: {
      system_integrity: systemIntegrity,
      secure_boot: secureBoot,
      authenticated_root: authenticatedRoot,
      debuggers_denied: debuggersDenied,
    },
    weights: (evidence.weights ?? []).map(({ build, digest }) => ({ build, digest: hex(digest) })),
    at: evidence.at,
    nonce: hex(evidence.nonce),
    signature: hex(evidence.signature),
  };
}

/** Returns undefined if the value is not printed evidence. */
export function readPrintedEvidence(printed: unknown): Evidence | undefined {
  if (!shape.Check(printed)) return undefined;
  const { posture } = printed;
  return {
    provider: printed.provider,
    signingKey: fromHex(printed.signing_key),
    keyStore: printed.key_store,
    suite: printed.suite,
    sealingKey: fromHex(printed.sealing_key),
    busKey: printed.bus_key,
    agentVersion: printed.agent_version,
    codeHash: fromHex(printed.code_hash),
    simulated: printed.simulated,
    ...(printed.engine !== undefined && { engine: printed.engine }),
    posture: {
      systemIntegrity: posture.system_integrity,
      secureBoot: posture.secure_boot,
      authenticatedRoot: posture.authenticated_root,
      debuggersDenied: posture.debuggers_denied,
    },
    ...(printed.weights.length > 0 && {
      weights: printed.weights.map(({ build, digest }) => ({ build, digest: fromHex(digest) })),
    }),
    at: printed.at,
    nonce: fromHex(printed.nonce),
    signature: fromHex(printed.signature),
  };
}
