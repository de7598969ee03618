import { type Static, Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { BuildId, ProviderId } from '../ids.ts';
import { hex } from '../receipts/receipt-texts.ts';
import { type Evidence, KEY_STORES, NONCE_BYTES, PROTECTIONS } from './evidence.ts';

/** Evidence as people get it: JSON, bytes in hexadecimal. */

const hexadecimal = (bytes: number) => Type.String({ pattern: `^[0-9a-f]{${2 * bytes}}$` });
const Protection = Type.Enum(PROTECTIONS);

export const PrintedEvidence = Type.Object({
  provider: ProviderId,
  signing_key: hexadecimal(65),
  key_store: Type.Enum(KEY_STORES),
  suite: Type.String({ pattern: '^[a-z0-9-]+$', maxLength: 64 }),
  sealing_key: hexadecimal(32),
  bus_key: Type.String({ pattern: '^U[A-Z2-7]{55}$' }),
  agent_version: Type.String({ pattern: '^[0-9A-Za-z.+-]+$', maxLength: 32 }),
  code_hash: hexadecimal(32),
  simulated: Type.Boolean(),
  posture: Type.Object({ system_integrity: Protection, secure_boot: Protection, authenticated_root: Protection, debuggers_denied: Protection }),
  weights: Type.Array(Type.Object({ build: BuildId, digest: hexadecimal(32) }), { maxItems: 64 }),
  at: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
  nonce: hexadecimal(NONCE_BYTES),
  signature: hexadecimal(64),
});
export type PrintedEvidence = Static<typeof PrintedEvidence>;
const shape = Compile(PrintedEvidence);

/** Without the certificates: they hold the serial number of the machine, which is its owner's own business. */
export function printEvidence(evidence: Evidence): PrintedEvidence {
  const { systemIntegrity, secureBoot, authenticatedRoot, debuggersDenied } = evidence.posture;
  return {
    ...{ provider: evidence.provider, signing_key: hex(evidence.signingKey), key_store: evidence.keyStore },
    ...{ suite: evidence.suite, sealing_key: hex(evidence.sealingKey), bus_key: evidence.busKey },
    ...{ agent_version: evidence.agentVersion, code_hash: hex(evidence.codeHash), simulated: evidence.simulated },
    posture: { system_integrity: systemIntegrity, secure_boot: secureBoot, authenticated_root: authenticatedRoot, debuggers_denied: debuggersDenied },
    weights: (evidence.weights ?? []).map(({ build, digest }) => ({ build, digest: hex(digest) })),
    ...{ at: evidence.at, nonce: hex(evidence.nonce), signature: hex(evidence.signature) },
  };
}

/** Undefined where it is none. */
export function readPrintedEvidence(printed: unknown): Evidence | undefined {
  if (!shape.Check(printed)) return undefined;
  const { posture } = printed;
  return {
    ...{ provider: printed.provider, signingKey: bytes(printed.signing_key), keyStore: printed.key_store },
    ...{ suite: printed.suite, sealingKey: bytes(printed.sealing_key), busKey: printed.bus_key },
    ...{ agentVersion: printed.agent_version, codeHash: bytes(printed.code_hash), simulated: printed.simulated },
    posture: {
      ...{ systemIntegrity: posture.system_integrity, secureBoot: posture.secure_boot },
      ...{ authenticatedRoot: posture.authenticated_root, debuggersDenied: posture.debuggers_denied },
    },
    ...(printed.weights.length > 0 && { weights: printed.weights.map(({ build, digest }) => ({ build, digest: bytes(digest) })) }),
    ...{ at: printed.at, nonce: bytes(printed.nonce), signature: bytes(printed.signature) },
  };
}

const bytes = (text: string): Uint8Array => Buffer.from(text, 'hex');
