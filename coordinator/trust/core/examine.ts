import { type Evidence, isEvidenceSigned, isSame, isSignedByBusKey, SUITE_ID } from '#bus-schemas';
import type { Finding } from './standing.ts';

/** The known facts about the machine that sent the evidence, and the rules for valid evidence. */
export interface MachineFacts {
  readonly provider: string;
  /** Its key on the bus, from its enrolment. */
  readonly busKey: string;
  /** Whether evidence without a signature of that key is refused. */
  readonly demandsBusSignature: boolean;
  /** The signing key that it was verified with before; undefined the first time. */
  readonly signingKey: Uint8Array | undefined;
  /**
   * Undefined while it is uncertain whose clock is right. Then only the nonce proves that the
   * evidence is new.
   */
  readonly now: number | undefined;
  readonly runsActiveCode: boolean;
  /**
   * Whether Apple vouches for this key and the state of its device; undefined without a statement
   * of Apple.
   */
  readonly vouched: (evidence: Evidence) => boolean | undefined;
}

/** Tolerance for the clock of a machine, in milliseconds. */
const CLOCK_MS = 2 * 60_000;

/** Judges evidence that answers a challenge. Missing facts count against the machine. */
export function examine(evidence: Evidence, known: MachineFacts): Finding {
  if (!isEvidenceSigned(evidence)) return caught('bad_signature');
  if (evidence.provider !== known.provider) return caught('wrong_provider');
  if (evidence.busKey !== known.busKey) return caught('wrong_bus_key');
  if (known.signingKey !== undefined && !isSame(known.signingKey, evidence.signingKey))
    return caught('other_signing_key');
  // Any attacker on the path can spoil or remove this signature, so it is no proof that the machine
  // lied.
  const isProven = isSignedByBusKey(evidence) ?? !known.demandsBusSignature;
  if (!isProven) return barred('unproven_bus_key');
  return review(evidence, known) ?? levelOf(evidence, known);
}

/**
 * Judges again the parts that change without the machine, for example code that was active
 * yesterday and has been withdrawn since.
 */
export function reexamine(
  evidence: Evidence,
  known: Pick<MachineFacts, 'runsActiveCode' | 'vouched'>,
): Finding {
  return standingCode(known) ?? levelOf(evidence, known);
}

function review(evidence: Evidence, known: MachineFacts): Finding | undefined {
  const { systemIntegrity, secureBoot, authenticatedRoot } = evidence.posture;
  const protections = [systemIntegrity, secureBoot, authenticatedRoot];
  if (protections.includes('off')) return caught('posture_off');
  // A Secure Enclave exists only in a Mac, and a Mac can report how it was started.
  if (evidence.keyStore === 'secure_enclave' && protections.includes('unknown'))
    return barred('posture_unknown');
  if (known.now !== undefined && Math.abs(evidence.at - known.now) > CLOCK_MS)
    return barred('clock_off');
  if (evidence.suite !== SUITE_ID) return barred('unsupported_suite');
  return standingCode(known);
}

const standingCode = ({
  runsActiveCode,
}: Pick<MachineFacts, 'runsActiveCode'>): Finding | undefined =>
  runsActiveCode ? undefined : barred('unknown_code');

function levelOf(evidence: Evidence, { vouched }: Pick<MachineFacts, 'vouched'>): Finding {
  // A simulated Mac, or a key that can be copied, never ranks above the machine's own claims.
  // Otherwise an owner could copy the key of an attested Mac to any other machine. Nor does a
  // machine with another project's engine: Apple vouches for the key, and the key for code that
  // hands the prompts to a program which no release contains.
  const isVouched =
    evidence.simulated || evidence.keyStore === 'software' || evidence.engine !== undefined
      ? undefined
      : vouched(evidence);
  if (isVouched === undefined) return { is: 'shown', level: 'self_signed' };
  return isVouched ? { is: 'shown', level: 'hardware' } : caught('bad_certificates');
}

const caught = (fault: Extract<Finding, { is: 'caught' }>['fault']): Finding => ({
  is: 'caught',
  fault,
});
const barred = (fault: Extract<Finding, { is: 'barred' }>['fault']): Finding => ({
  is: 'barred',
  fault,
});
